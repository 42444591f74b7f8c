#pragma once

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/config/service.h"
#include "common/signature.h"
#include "gateway/api/serving.h"
#include "gateway/graph/plan.h"
#include "gateway/server/options.h"

namespace tiffin::gateway {

// What a server serves: made once, when its workers have said what they are, and shared by all
// loops. Immutable; addresses stay, for requests name their target by them.
struct ServingPlan {
  std::vector<PlannedService> services;
  std::vector<RunnerEntry> runners;

  // INVALID_ARGUMENT with all that is wrong in the files. `describe` gives what the workers of a
  // runner, by its number in `options`, said.
  static absl::StatusOr<std::unique_ptr<const ServingPlan>> Create(
      const ServingOptions& options,
      absl::FunctionRef<const WorkerDescription&(size_t runner)> describe);
};

}  // namespace tiffin::gateway
