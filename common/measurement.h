#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace tiffin {

// What executions of a method with so many rows take on this machine.
struct Measurement {
  std::string method;
  int64_t rows = 1;
  std::string input;       // What it was measured on, for people.
  double seconds = 0;      // One execution, while as many run as the worker allows at a time.
  double cpu_seconds = 0;  // Of the worker's process, for one execution.
  // How long a call that no other joins waits for one, with an idle worker: the window of the fixed
  // policy.
  double wait_seconds = 0;
};

// What `tiffin-worker-X --measure` prints.
struct WorkerMeasurements {
  int concurrency = 1;  // Executions at the same time.
  std::vector<Measurement> measurements;
};

void to_json(nlohmann::json& json, const WorkerMeasurements& measurements);
absl::StatusOr<WorkerMeasurements> WorkerMeasurementsFromJson(std::string_view text);

}  // namespace tiffin
