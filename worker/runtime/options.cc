#include "worker/runtime/options.h"

#include <string_view>
#include <utility>

#include "common/config/service.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

WorkerSubject FromModel(model::Model model) {
  WorkerSubject subject;
  subject.config.model_dir = model.dir;
  for (const auto& [file, digest] : model.files) subject.config.files.push_back(file);
  subject.config.declared = std::move(model.methods);
  subject.config.options = std::move(model.options);
  subject.config.labels = std::move(model.labels);
  subject.model = std::move(model.name);
  subject.model_version = model.version;
  subject.model_digest = std::move(model.digest);
  subject.example = std::move(model.example);
  return subject;
}

absl::Status CheckBackend(std::string_view wanted, std::string_view have, std::string_view what) {
  if (wanted == have) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(what, " needs the backend '", wanted,
                                           "': run it with tiffin-worker-", wanted,
                                           ", not tiffin-worker-", have));
}

SourceConfig SourceOf(const config::ServiceConfig& service, const config::PythonConfig& python) {
  const std::filesystem::path folder = std::filesystem::absolute(service.file).parent_path();
  SourceConfig source{.file = (folder / python.file).lexically_normal(),
                      .class_name = python.class_name,
                      .environment = {}};
  if (!python.environment.empty()) {
    source.environment = (folder / python.environment).lexically_normal();
  }
  return source;
}

absl::StatusOr<WorkerSubject> FromRunner(const WorkerOptions& options, std::string_view backend) {
  ASSIGN_OR_RETURN(const config::ServiceConfig service, config::LoadService(options.service_file));
  const config::RunnerConfig* runner = service.FindRunner(options.runner);
  if (runner == nullptr) {
    std::string names;
    for (const config::RunnerConfig& other : service.runners) {
      names += StrCat(names.empty() ? "" : ", ", other.name);
    }
    return absl::NotFoundError(StrCat(options.service_file, ": no runner '", options.runner,
                                      "'; it has ", names.empty() ? "none" : names));
  }
  const std::string what = StrCat("runner '", runner->name, "'");
  if (!runner->endpoints.empty()) {
    return absl::InvalidArgumentError(
        StrCat(options.service_file, ": ", what, " says where workers listen, not what they run; ",
               "give the worker a service file with its model or backend"));
  }
  WorkerSubject subject;
  std::string needed = runner->backend;
  if (!runner->model.empty()) {
    const model::Store store(options.store.empty() ? model::Store::DefaultRoot()
                                                   : std::filesystem::path(options.store));
    const std::string name = runner->model.substr(0, runner->model.find(':'));
    auto model = store.Find(options.model_version > 0 ? StrCat(name, ":", options.model_version)
                                                      : runner->model);
    if (!model.ok()) {
      return absl::Status(model.status().code(), StrCat(what, ": ", model.status().message()));
    }
    RETURN_IF_ERROR(model::VerifyFiles(*model));
    needed = model->backend;
    subject = FromModel(*std::move(model));
  }
  RETURN_IF_ERROR(CheckBackend(needed, backend, what));
  if (runner->python.has_value()) subject.config.source = SourceOf(service, *runner->python);
  subject.name = StrCat(service.name, ".", runner->name);
  subject.service = service.name;
  subject.runner = runner->name;
  subject.config.options.update(runner->options);
  subject.config.device = runner->device.value_or(config::kCpuDevice);
  subject.batching = runner->batching.value_or(config::BatchingConfig{});
  subject.asks_for_batching =
      runner->batching.has_value() && subject.batching.policy != config::BatchingPolicy::kOff;
  return subject;
}

}  // namespace

absl::StatusOr<WorkerSubject> ResolveSubject(const WorkerOptions& options,
                                             std::string_view backend) {
  WorkerSubject subject;
  if (!options.model_dir.empty()) {
    ASSIGN_OR_RETURN(model::Model model, model::LoadModel(options.model_dir));
    RETURN_IF_ERROR(model::VerifyFiles(model));
    RETURN_IF_ERROR(CheckBackend(model.backend, backend, StrCat("model '", model.name, "'")));
    subject = FromModel(std::move(model));
    subject.name = subject.model;
    subject.runs_example = true;
  } else {
    ASSIGN_OR_RETURN(subject, FromRunner(options, backend));
  }
  subject.backend = backend;
  subject.config.threads = options.threads;
  return subject;
}

}  // namespace tiffin::worker
