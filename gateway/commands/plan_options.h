#pragma once

#include "gateway/commands/worker_plan.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tiffin::gateway {

// The flags of the commands that plan service files: FILE..., --store, --worker-dir, --plugin
// and --cpus, with their defaults. `options` outlives the parsing.
void AddPlanOptions(CLI::App& command, PlanOptions& options);

// --endpoints, of those that need no worker of their own. Likewise.
void AddEndpoints(CLI::App& command, PlanOptions& options);

}  // namespace tiffin::gateway
