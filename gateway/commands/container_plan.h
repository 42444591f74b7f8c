#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/resources/containers.h"

namespace tiffin::gateway {

// What `tiffin check --kubernetes` prints of a plan without errors. Loads every model, one after
// the other, to see how much memory that takes. Blocks.
absl::StatusOr<std::string> ContainerPlan(const WorkerPlan& plan, const ContainerLimits& limits);

// Which runners are not in it, for their workers are elsewhere, and what to do. Empty: all are.
std::string ElsewhereNote(const WorkerPlan& plan);

}  // namespace tiffin::gateway
