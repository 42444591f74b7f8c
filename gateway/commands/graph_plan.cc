#include "gateway/commands/graph_plan.h"

#include <string>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/describe_worker.h"
#include "gateway/functions/registry.h"

namespace tiffin::gateway {
namespace {

absl::StatusOr<RunnerSignatures> DescribeRunners(const std::vector<PlannedWorker>& workers,
                                                 PlannedFile& file) {
  RunnerSignatures signatures;
  for (const PlannedWorker& worker : workers) {
    if (worker.service != file.service.name) continue;
    std::vector<std::string> arguments = worker.arguments;
    arguments.emplace_back("--describe");
    auto description = DescribeWorker(worker.program, arguments);
    if (description.ok()) {
      signatures[worker.runner] = std::move(description->methods);
    } else if (absl::IsInvalidArgument(description.status())) {
      file.diagnostics.Add(file.service.FindRunner(worker.runner)->location,
                           StrCat("runner '", worker.runner, "': ", Message(description.status())));
    } else {
      return description.status();
    }
  }
  return signatures;
}

}  // namespace

absl::StatusOr<std::vector<PlannedService>> PlanGraphs(WorkerPlan& plan) {
  const FunctionTable functions = BuiltinFunctions();
  std::vector<PlannedService> services;
  for (PlannedFile& file : plan.files) {
    RunnerSignatures signatures;
    // A worker reads the file itself, and would only say again what is wrong in its form.
    if (file.form_ok) {
      ASSIGN_OR_RETURN(signatures, DescribeRunners(plan.workers, file));
    }
    services.push_back(PlanService(file.service, signatures, functions, file.diagnostics));
  }
  return services;
}

}  // namespace tiffin::gateway
