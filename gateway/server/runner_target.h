#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "gateway/api/serving.h"
#include "gateway/graph/bound_api.h"
#include "gateway/graph/plan.h"
#include "gateway/graph/runner.h"

namespace tiffin::gateway {

// A runner's method called by itself, as a graph of one step: so that single calls are executed,
// timed and ended by the same code as whole graphs. Movable; addresses stay.
class RunnerTarget {
 public:
  // `entry` and `runner` outlive it.
  static absl::StatusOr<RunnerTarget> Create(const RunnerEntry& entry, Runner& runner);

  const BoundApi& api() const { return *bound_; }

 private:
  std::unique_ptr<PlannedApi> plan_;
  std::unique_ptr<BoundApi> bound_;
};

}  // namespace tiffin::gateway
