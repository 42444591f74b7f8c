#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/resources/prediction.h"

namespace tiffin::gateway {

// What of a worker is measured.
struct MeasureRequest {
  const PlannedWorker* worker = nullptr;
  std::vector<int> threads;
  std::set<std::string> methods;      // Empty: its `run`, or its only one.
  std::vector<std::string> examples;  // "INPUT=VALUE"
};

// Loading a model and measuring it with one number of threads takes this long at most.
inline constexpr absl::Duration kMeasureLimit = absl::Minutes(2);

// Starts the worker's program once for each number of threads, one after the other, and has it time
// its model. `progress` is told before each start. Blocks. INVALID_ARGUMENT carries what the worker
// says about its options, its model or its example.
absl::StatusOr<RunnerProfile> MeasureRunner(const MeasureRequest& request,
                                            absl::FunctionRef<void(int threads)> progress);

// "RUNNER.INPUT=VALUE" or "SERVICE.RUNNER.INPUT=VALUE" texts by worker, as "INPUT=VALUE".
// INVALID_ARGUMENT for one whose runner is not there, or is that of two services.
absl::StatusOr<std::map<const PlannedWorker*, std::vector<std::string>>> ExamplesByWorker(
    const std::vector<std::string>& texts, const std::vector<PlannedWorker>& workers);

}  // namespace tiffin::gateway
