#include "gateway/commands/graph_plan.h"

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/ask_endpoint.h"
#include "gateway/commands/describe_worker.h"
#include "gateway/commands/progress.h"

namespace tiffin::gateway {
namespace {

using Awaited = std::atomic<const PlannedWorker*>;

// `awaited` is the worker that is being asked.
absl::StatusOr<RunnerSignatures> DescribeRunners(const std::vector<PlannedWorker>& workers,
                                                 Awaited& awaited, PlannedFile& file,
                                                 const WorkerCredentials* credentials) {
  RunnerSignatures signatures;
  for (const PlannedWorker& worker : workers) {
    if (worker.service != file.service.name) continue;
    std::vector<std::string> arguments = worker.arguments;
    arguments.emplace_back("--describe");
    awaited = &worker;
    auto description = DescribeWorker(worker.program, arguments, {.time = worker.start_timeout});
    if (description.ok()) {
      signatures[worker.runner] = std::move(description->methods);
    } else if (absl::IsInvalidArgument(description.status())) {
      file.diagnostics.Add(file.service.FindRunner(worker.runner)->location,
                           StrCat("runner '", worker.runner, "': ", Message(description.status())));
    } else {
      return description.status();
    }
  }
  for (const config::RunnerConfig& runner : file.service.runners) {
    if (runner.endpoints.empty()) continue;
    ASSIGN_OR_RETURN(WorkerDescription description, AskEndpoints(runner, credentials));
    signatures[runner.name] = std::move(description.methods);
  }
  return signatures;
}

}  // namespace

absl::StatusOr<std::vector<PlannedService>> PlanGraphs(WorkerPlan& plan,
                                                       const WorkerCredentials* credentials) {
  std::vector<PlannedService> services;
  Awaited awaited = nullptr;
  const Progress progress([&awaited] {
    const PlannedWorker* worker = awaited;
    if (worker == nullptr) return std::string();
    return StrCat("waiting for the worker of ", worker->service, ".", worker->runner,
                  ", which loads its model ...");
  });
  for (PlannedFile& file : plan.files) {
    RunnerSignatures signatures;
    // A worker reads the file itself, and would only say again what is wrong in its form.
    if (file.form_ok) {
      ASSIGN_OR_RETURN(signatures, DescribeRunners(plan.workers, awaited, file, credentials));
    }
    services.push_back(PlanService(file.service, signatures, plan.extensions, file.diagnostics));
  }
  return services;
}

}  // namespace tiffin::gateway
