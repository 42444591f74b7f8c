#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/service.h"
#include "common/signature.h"
#include "gateway/api/serving.h"
#include "gateway/graph/plan.h"
#include "gateway/server/absences.h"
#include "gateway/server/options.h"

namespace tiffin::gateway {

// What a server serves: made when its workers have said what they are, and shared by all loops.
// Where workers are elsewhere, and come later, their services are absent, and another plan is made
// when they have come. Immutable; addresses stay, for requests name their target by them.
struct ServingPlan {
  std::vector<PlannedService> services;
  std::vector<RunnerEntry> runners;
  std::vector<AbsentService> absent;

  // What the workers of a runner, by its number in `options`, said. Of workers elsewhere only:
  // UNAVAILABLE, none has attached yet; FAILED_PRECONDITION, those that did are another runner's,
  // and the message says which.
  using Describe = absl::FunctionRef<absl::StatusOr<WorkerDescription>(size_t runner)>;

  struct Attempt {
    std::unique_ptr<const ServingPlan> plan;
    // By the name of each absent service: UNAVAILABLE, or FAILED_PRECONDITION where what its
    // workers say they are doesn't fit it.
    Absences::Reasons why_absent;
    // Those of them whose runners all have workers, which don't fit together.
    std::set<std::string, std::less<>> misfits;
  };
  // INVALID_ARGUMENT with all that is wrong in the files whose workers are the gateway's own.
  static absl::StatusOr<Attempt> Create(const ServingOptions& options, Describe describe);
};

}  // namespace tiffin::gateway
