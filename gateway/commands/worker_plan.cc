#include "gateway/commands/worker_plan.h"

#include <set>
#include <span>
#include <utility>

#include "common/config/endpoint_pattern.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/plugins.h"
#include "gateway/commands/worker_program.h"
#include "gateway/graph/program_plan.h"
#include "gateway/resources/budget.h"
#include "gateway/resources/tuning.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

// What a runner runs.
struct Subject {
  const config::ServiceConfig* service = nullptr;
  const config::RunnerConfig* runner = nullptr;
  std::string backend;
  fs::path program;
  int64_t model_version = 0;  // 0 without a store model.
  std::string model_digest;

  std::string name() const { return StrCat(service->name, ".", runner->name); }
};

// Errors are the runner's.
absl::StatusOr<Subject> FindSubject(const config::ServiceConfig& service,
                                    const config::RunnerConfig& runner, const model::Store& store,
                                    std::span<const fs::path> worker_folders) {
  Subject subject;
  subject.service = &service;
  subject.runner = &runner;
  subject.backend = runner.backend;
  if (!runner.model.empty()) {
    ASSIGN_OR_RETURN(const model::Model model, store.Find(runner.model));
    subject.backend = model.backend;
    subject.model_version = model.version;
    subject.model_digest = model.digest;
  }
  ASSIGN_OR_RETURN(subject.program, FindWorkerProgram(subject.backend, worker_folders));
  return subject;
}

std::vector<Subject> FindSubjects(std::vector<PlannedFile>& files, const PlanOptions& options) {
  const model::Store store(options.store);
  const std::vector<fs::path> worker_folders = WorkerFolders(options.worker_dirs);
  std::vector<Subject> subjects;
  for (PlannedFile& file : files) {
    for (const config::RunnerConfig& runner : file.service.runners) {
      if (!runner.endpoints.empty()) continue;                       // Somebody else starts them.
      if (runner.model.empty() && runner.backend.empty()) continue;  // Reported.
      auto subject = FindSubject(file.service, runner, store, worker_folders);
      if (subject.ok()) {
        subjects.push_back(*std::move(subject));
      } else {
        file.diagnostics.Add(runner.model.empty() ? runner.location : runner.model_location,
                             StrCat("runner '", runner.name, "': ", Message(subject.status())));
      }
    }
  }
  return subjects;
}

RunnerRequest RequestOf(const Subject& subject) {
  const config::RunnerConfig& runner = *subject.runner;
  return {.name = subject.name(),
          .backend = subject.backend,
          .replicas = runner.replicas,
          .cpu = runner.resources.cpu,
          .threads = runner.resources.threads,
          .device = runner.device.value_or(config::kCpuDevice),
          .tuned = std::nullopt};
}

PlannedWorker WorkerOf(const Subject& subject, const RunnerShare& share, const fs::path& store) {
  const config::RunnerConfig& runner = *subject.runner;
  PlannedWorker worker{.service = subject.service->name,
                       .runner = runner.name,
                       .program = subject.program.native(),
                       .arguments = {"--service", fs::absolute(subject.service->file).native(),
                                     "--runner", runner.name, "--store", store.native(),
                                     "--threads", std::to_string(share.workers.threads)},
                       .replicas = share.workers.replicas,
                       .queue_max = runner.queue_max,
                       .start_timeout = runner.start_timeout};
  if (subject.model_version > 0) {
    worker.arguments.insert(worker.arguments.end(),
                            {"--model-version", std::to_string(subject.model_version)});
  }
  return worker;
}

nlohmann::json TuningSubjectOf(const WorkerPlan& plan, const std::vector<Subject>& subjects) {
  std::vector<const config::ServiceConfig*> services;
  for (const PlannedFile& file : plan.files) services.push_back(&file.service);
  std::vector<TuningRunner> runners;
  for (const Subject& subject : subjects) {
    TuningRunner runner{.service = subject.service->name,
                        .config = subject.runner,
                        .backend = subject.backend,
                        .model = ""};
    if (subject.model_version > 0) {
      runner.model = StrCat(subject.model_version, " ", subject.model_digest);
    }
    runners.push_back(std::move(runner));
  }
  return TuningSubject(plan.allocation.budget, services, runners);
}

// Fills in what a tuning found for just this; the result is what there is to say about it.
std::string UseTuning(const fs::path& store, const nlohmann::json& tuning_subject,
                      std::vector<RunnerRequest>& requests) {
  const absl::StatusOr<Tuning> tuning = LoadTuning(store, tuning_subject);
  if (absl::IsNotFound(tuning.status())) return "";
  if (!tuning.ok()) {
    return StrCat(Message(tuning.status()), "; it is not used: run 'tiffin tune' again");
  }
  for (RunnerRequest& request : requests) {
    const auto found = tuning->workers.find(request.name);
    if (found != tuning->workers.end()) request.tuned = found->second;
  }
  return StrCat("tuned by 'tiffin tune' at ", tuning->created);
}

absl::StatusOr<std::vector<PlannedFile>> LoadFiles(const std::vector<std::string>& names) {
  std::vector<PlannedFile> files;
  std::set<std::string> services;
  for (const std::string& name : names) {
    config::Diagnostics diagnostics(name);
    auto loaded = config::LoadService(name, diagnostics);
    if (!loaded.ok()) return absl::InvalidArgumentError(loaded.status().message());
    config::ServiceConfig service = *std::move(loaded);
    if (!service.name.empty() && !services.insert(service.name).second) {
      diagnostics.Add(service.name_location,
                      StrCat("another file has the service '", service.name, "' too: rename one"));
    }
    const bool form_ok = diagnostics.empty();
    files.push_back({std::move(service), std::move(diagnostics), form_ok});
  }
  return files;
}

absl::Status PutElsewhere(const std::vector<std::string>& patterns, WorkerPlan& plan) {
  if (patterns.empty()) return absl::OkStatus();
  std::vector<config::ServiceConfig*> services;
  for (PlannedFile& file : plan.files) services.push_back(&file.service);
  absl::Status set = config::SetEndpoints(patterns, services);
  // What is wrong in the files is told first: a runner may be missing because of it.
  if (!set.ok()) RETURN_IF_ERROR(DiagnosticsOf(plan));
  return set;
}

std::vector<std::string> NamesOf(const std::vector<PlannedFile>& files) {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const PlannedFile& file : files) names.push_back(file.service.name);
  return names;
}

}  // namespace

absl::StatusOr<WorkerPlan> PlanWorkers(const PlanOptions& options) {
  WorkerPlan plan;
  ASSIGN_OR_RETURN(plan.extensions, LoadExtensions(options.own, options.plugins));
  ASSIGN_OR_RETURN(plan.files, LoadFiles(options.files));
  RETURN_IF_ERROR(CheckServices(plan.extensions.apis, NamesOf(plan.files)));
  RETURN_IF_ERROR(PutElsewhere(options.endpoints, plan));
  const std::vector<Subject> subjects = FindSubjects(plan.files, options);
  std::vector<RunnerRequest> requests;
  requests.reserve(subjects.size());
  for (const Subject& subject : subjects) requests.push_back(RequestOf(subject));
  plan.allocation.budget = MakeCoreBudget(ReadCoreLimits(), options.cpus);
  plan.tuning_subject = TuningSubjectOf(plan, subjects);
  std::string note;
  if (options.tunings == PlanOptions::Tunings::kUsed) {
    note = UseTuning(options.store, plan.tuning_subject, requests);
  }
  plan.allocation = Allocate(plan.allocation.budget, requests);
  plan.allocation.note = std::move(note);
  for (size_t i = 0; i < subjects.size(); ++i) {
    plan.workers.push_back(WorkerOf(subjects[i], plan.allocation.runners[i], options.store));
  }
  return plan;
}

absl::Status DiagnosticsOf(const WorkerPlan& plan) {
  std::vector<config::Diagnostics> errors;
  for (const PlannedFile& file : plan.files) errors.push_back(file.diagnostics);
  return config::ToStatus(errors);
}

}  // namespace tiffin::gateway
