#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

class WorkerCredentials;

// Asks every worker program what its runner does, without starting a server, and plans the graphs
// of all files. What is wrong goes to the files' diagnostics; the result is whole only if nothing
// is. Workers elsewhere are asked, those on TCP with `credentials` (null: with none). Blocks while
// models are loaded. An error is one that no file is to blame for.
absl::StatusOr<std::vector<PlannedService>> PlanGraphs(WorkerPlan& plan,
                                                       const WorkerCredentials* credentials);

}  // namespace tiffin::gateway
