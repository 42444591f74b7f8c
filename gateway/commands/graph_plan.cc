#include "gateway/commands/graph_plan.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/ask_endpoint.h"
#include "gateway/commands/describe_worker.h"
#include "gateway/commands/progress.h"
#include "gateway/dispatch/accepted_description.h"
#include "gateway/dispatch/worker_identity.h"

namespace tiffin::gateway {
namespace {

using Awaited = std::atomic<const PlannedWorker*>;

// What one of the runner's workers elsewhere does, if one answers. Those that differ from it, or
// are another runner's, are errors of the file.
std::optional<Signature> DescribeElsewhere(const config::RunnerConfig& runner, PlannedFile& file,
                                           GraphPlan& graphs,
                                           const WorkerCredentials* credentials) {
  const std::string name = StrCat("runner '", runner.name, "': ");
  AcceptedDescription accepted;
  std::string first;
  std::vector<std::string> silences;
  bool has_answer = false;
  for (const EndpointAnswer& answer : AskEndpoints(runner, credentials)) {
    const auto& [endpoint, description] = answer;
    if (!description.ok()) {
      silences.push_back(
          StrCat(name, "no worker answers at ", endpoint, ": ", Message(description.status())));
      continue;
    }
    has_answer = true;
    if (const std::string other = AnotherRunner(*description, runner.name); !other.empty()) {
      file.diagnostics.Add(runner.model_location,
                           StrCat(name, "the worker at ", endpoint, " ", other));
      continue;
    }
    if (!accepted.Accept(*description, AcceptedDescription::Version::kAny)) {
      file.diagnostics.Add(runner.model_location,
                           StrCat(name, "the worker at ", endpoint,
                                  " has another signature, model or backend than the one at ",
                                  first, "; start both on the same"));
    } else if (first.empty()) {
      first = endpoint;
    }
    if (const std::string other = RunsOther(*description, runner.written); !other.empty()) {
      graphs.warnings.push_back(StrCat(name, "the worker at ", endpoint, " ", other));
    }
  }
  for (std::string& silence : silences) {
    if (has_answer) {
      graphs.warnings.push_back(std::move(silence));
    } else {
      graphs.unanswered.back().Add(runner.model_location, std::move(silence));
    }
  }
  const std::optional<WorkerDescription> description = accepted.current();
  if (!description.has_value()) return std::nullopt;
  return description->methods;
}

// `awaited` is the worker that is being asked.
absl::StatusOr<RunnerSignatures> DescribeRunners(const std::vector<PlannedWorker>& workers,
                                                 Awaited& awaited, PlannedFile& file,
                                                 GraphPlan& graphs,
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
    std::optional<Signature> signature = DescribeElsewhere(runner, file, graphs, credentials);
    if (signature.has_value()) signatures[runner.name] = *std::move(signature);
  }
  return signatures;
}

}  // namespace

absl::StatusOr<GraphPlan> PlanGraphs(WorkerPlan& plan, const WorkerCredentials* credentials) {
  GraphPlan graphs;
  Awaited awaited = nullptr;
  const Progress progress([&awaited] {
    const PlannedWorker* worker = awaited;
    if (worker == nullptr) return std::string();
    return StrCat("waiting for the worker of ", worker->service, ".", worker->runner,
                  ", which loads its model ...");
  });
  for (PlannedFile& file : plan.files) {
    RunnerSignatures signatures;
    graphs.unanswered.emplace_back(file.service.file.native());
    // A worker reads the file itself, and would only say again what is wrong in its form.
    if (file.form_ok) {
      ASSIGN_OR_RETURN(signatures,
                       DescribeRunners(plan.workers, awaited, file, graphs, credentials));
    }
    graphs.services.push_back(
        PlanService(file.service, signatures, plan.extensions, file.diagnostics));
  }
  return graphs;
}

absl::Status ErrorsOf(const WorkerPlan& plan, const GraphPlan& graphs) {
  std::vector<config::Diagnostics> all;
  for (const PlannedFile& file : plan.files) all.push_back(file.diagnostics);
  const bool is_wrong = !config::ToStatus(all).ok();
  all.insert(all.end(), graphs.unanswered.begin(), graphs.unanswered.end());
  absl::Status errors = config::ToStatus(all);
  if (is_wrong || errors.ok()) return errors;
  absl::Status unanswered = absl::UnavailableError(errors.message());
  errors.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    unanswered.SetPayload(type, payload);
  });
  return unanswered;
}

}  // namespace tiffin::gateway
