#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/diagnostics.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

class WorkerCredentials;

struct GraphPlan {
  // Whole only if the files have no diagnostics, and nothing is unanswered.
  std::vector<PlannedService> services;
  // By file: runners none of whose workers elsewhere could be asked, a line for each address.
  std::vector<config::Diagnostics> unanswered;
  // Of addresses where nobody answers, where other workers of the runner do, and of workers that
  // run something else than their file says.
  std::vector<std::string> warnings;
};

// Asks every worker program what its runner does, without starting a server, and plans the graphs
// of all files. What is wrong goes to the files' diagnostics. Workers elsewhere are asked, those on
// TCP with `credentials` (null: with none). Blocks while models are loaded. An error is one that no
// file is to blame for.
absl::StatusOr<GraphPlan> PlanGraphs(WorkerPlan& plan, const WorkerCredentials* credentials);

// INVALID_ARGUMENT with the diagnostics of all files, and what is unanswered; UNAVAILABLE where it
// is that only; OK if there is nothing.
absl::Status ErrorsOf(const WorkerPlan& plan, const GraphPlan& graphs);

}  // namespace tiffin::gateway
