#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/config/batching.h"
#include "common/measurement.h"
#include "nlohmann/json.hpp"
#include "worker/runtime/backend.h"
#include "worker/runtime/example_source.h"

namespace tiffin::worker {

// How long is measured, and what.
struct MeasureLimits {
  absl::Duration point = absl::Milliseconds(300);  // For a number of rows; 3 executions at least.
  absl::Duration total = absl::Seconds(6);         // No more rows are tried after this.
  int64_t max_rows = 1;
  // How long a call waits for others to come, where they run together and no measurement says
  // whether that pays. Is not spent, but added to what is measured.
  absl::Duration window = absl::ZeroDuration();
};

// For a worker that batches like this.
MeasureLimits MeasureLimitsOf(const config::BatchingConfig& batching);

struct MeasureSubject {
  Backend& backend;
  const nlohmann::json& kept;  // model.yaml's example.
  GivenExamples given;
  std::vector<std::string> methods;  // Empty: `run`, or the only one.
};

// Times executions of each method on its example, with 1, 2, 4 and so on rows where it is
// batchable. As many run at the same time as the backend allows. The first execution of each is not
// counted.
absl::StatusOr<WorkerMeasurements> Measure(const MeasureSubject& subject,
                                           const MeasureLimits& limits, const Clock& clock);

}  // namespace tiffin::worker
