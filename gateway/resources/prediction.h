#pragma once

#include <map>
#include <string>

#include "common/measurement.h"
#include "gateway/resources/allocation.h"
#include "gateway/resources/graph_load.h"

namespace tiffin::gateway {

// What was measured of a runner's worker, by the threads that it had.
using RunnerProfile = std::map<int, WorkerMeasurements>;
// Runner -> profile, and -> how many workers of how many threads.
using RunnerProfiles = std::map<std::string, RunnerProfile>;
using WorkerCounts = std::map<std::string, WorkerCount>;

struct Prediction {
  double requests_per_second = 0;  // With many requests in flight.
  double seconds = 0;              // One request, with no other in flight.
  std::string limit;               // What holds the throughput back: a runner, or "cores".
};

// The calls of `runner` in requests of `load` that `workers` can take in a second. Infinite where
// it has no part in it.
double Capacity(const GraphLoad& load, const std::string& runner, const RunnerProfile& profile,
                const WorkerCount& workers);

// With `cores` for all runners of the load together. The throughput is that of the runner that is
// busiest, or what the cores can do, whichever is less; batches are of the number of rows that was
// fastest. The latency is that of the longest way through the graph. For each call and request the
// gateway's own work is added, as it was on a machine of 2 cores.
Prediction Predict(const GraphLoad& load, const RunnerProfiles& profiles,
                   const WorkerCounts& workers, double cores);

}  // namespace tiffin::gateway
