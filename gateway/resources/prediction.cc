#include "gateway/resources/prediction.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace tiffin::gateway {
namespace {

// The gateway's and a worker's part of a request and of each of its calls, beside the engine's:
// CPU time, and latency. Round figures, from what scripts/bench says of identity runners.
constexpr double kRequestCpuSeconds = 45e-6;
constexpr double kCallCpuSeconds = 15e-6;
constexpr double kRequestSeconds = 100e-6;
constexpr double kCallSeconds = 60e-6;

// What a call costs a runner.
struct CallCost {
  double alone = 0;      // Seconds, by itself.
  double occupied = 0;   // Seconds of a replica, in the best batch.
  double cpu = 0;        // CPU time, in that batch.
  double cpu_alone = 0;  // CPU time, by itself.
};

// `method` is empty for the one that was measured.
CallCost CostOf(const WorkerMeasurements& measured, const std::string& method) {
  CallCost cost{.occupied = std::numeric_limits<double>::infinity()};
  for (const Measurement& one : measured.measurements) {
    if (!method.empty() && one.method != method) continue;
    const auto rows = static_cast<double>(one.rows);
    if (one.rows == 1) {
      cost.alone = one.wait_seconds + one.seconds;
      cost.cpu_alone = one.cpu_seconds;
    }
    const double occupied = one.seconds / (rows * measured.concurrency);
    if (occupied >= cost.occupied) continue;
    cost.occupied = occupied;
    cost.cpu = one.cpu_seconds / rows;
  }
  return cost;
}

}  // namespace

double Capacity(const GraphLoad& load, const std::string& runner, const RunnerProfile& profile,
                const WorkerCount& workers) {
  double occupied = 0;
  for (const GraphLoad::Step& step : load.steps) {
    if (step.runner == runner)
      occupied += CostOf(profile.at(workers.threads), step.method).occupied;
  }
  return occupied > 0 ? workers.replicas / occupied : std::numeric_limits<double>::infinity();
}

Prediction Predict(const GraphLoad& load, const RunnerProfiles& profiles,
                   const WorkerCounts& workers, double cores) {
  double cpu = kRequestCpuSeconds;
  double cpu_alone = kRequestCpuSeconds;
  double longest = 0;
  std::vector<double> ended;  // Each step, after the request's start.
  for (const GraphLoad::Step& step : load.steps) {
    double start = 0;
    for (const size_t needed : step.needs) start = std::max(start, ended[needed]);
    if (!step.runner.empty()) {
      const int threads = workers.at(step.runner).threads;
      const CallCost cost = CostOf(profiles.at(step.runner).at(threads), step.method);
      start += cost.alone + kCallSeconds;
      cpu += cost.cpu + kCallCpuSeconds;
      cpu_alone += cost.cpu_alone + kCallCpuSeconds;
    }
    ended.push_back(start);
    longest = std::max(longest, start);
  }
  Prediction prediction{.requests_per_second = cores / cpu,
                        .seconds = std::max(longest + kRequestSeconds, cpu_alone / cores),
                        .limit = "cores"};
  for (const auto& [runner, count] : workers) {
    const double capacity = Capacity(load, runner, profiles.at(runner), count);
    if (capacity >= prediction.requests_per_second) continue;
    prediction.requests_per_second = capacity;
    prediction.limit = runner;
  }
  return prediction;
}

}  // namespace tiffin::gateway
