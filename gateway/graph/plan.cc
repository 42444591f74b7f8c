#include "gateway/graph/plan.h"

#include <string>
#include <utility>

#include "common/strings.h"
#include "gateway/graph/api_planner.h"
#include "gateway/graph/program_plan.h"

namespace tiffin::gateway {
namespace {

// A callee in a step is a runner or a function. (Other clashes show without knowing the functions,
// and are found where the file is read.)
void CheckClashes(const config::ServiceConfig& service, const FunctionTable& functions,
                  config::Diagnostics& diagnostics) {
  for (const config::RunnerConfig& runner : service.runners) {
    if (functions.contains(runner.name)) {
      diagnostics.Add(runner.location,
                      StrCat("runner '", runner.name, "' has the name of a function; rename it"));
    }
  }
}

}  // namespace

PlannedService PlanService(const config::ServiceConfig& service, const RunnerSignatures& signatures,
                           const Extensions& extensions, config::Diagnostics& diagnostics) {
  CheckClashes(service, extensions.functions, diagnostics);
  PlannedService plan{.name = service.name, .file = service.file, .apis = {}};
  const ApiPlanner::Surroundings around{service, signatures, extensions.functions, diagnostics};
  for (const config::ApiConfig& api : service.apis) {
    plan.apis.push_back(ApiPlanner(around, api).Plan());
  }
  for (PlannedApi& program : PlanPrograms(service, signatures, extensions.apis, diagnostics)) {
    plan.apis.push_back(std::move(program));
  }
  return plan;
}

}  // namespace tiffin::gateway
