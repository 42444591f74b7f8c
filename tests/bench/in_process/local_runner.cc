#include "tests/bench/in_process/local_runner.h"

#include <map>

#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/image/backend.h"
#include "worker/ocr/backend.h"
#include "worker/runtime/options.h"
#include "worker/testing/backend.h"
#include "worker/torch/backend.h"
#include "worker/xgboost/backend.h"

namespace tiffin::bench {
namespace {

absl::StatusOr<worker::BackendFactory> FactoryOf(std::string_view backend) {
  const std::map<std::string_view, worker::BackendFactory> factories = {
      {"image", worker::CreateImageBackend},
      {"ocr", worker::CreateOcrBackend},
      {"testing", worker::CreateTestingBackend},
      {"torch", worker::CreateTorchBackend},
      {"xgboost", worker::CreateXgboostBackend}};
  const auto found = factories.find(backend);
  if (found == factories.end()) return absl::InternalError(StrCat("no backend '", backend, "'"));
  return found->second;
}

}  // namespace

absl::StatusOr<LocalRunner> LocalRunner::Load(const RunnerSource& source, const std::string& runner,
                                              std::string_view backend) {
  worker::WorkerOptions options;
  options.service_file = source.service_file;
  options.runner = runner;
  options.store = source.store;
  options.threads = source.engine_threads;
  ASSIGN_OR_RETURN(const worker::WorkerSubject subject, worker::ResolveSubject(options, backend));
  ASSIGN_OR_RETURN(const worker::BackendFactory factory, FactoryOf(backend));
  ASSIGN_OR_RETURN(std::unique_ptr<worker::Backend> loaded, factory(subject.config));
  const auto run = loaded->signature().find(std::string(kDefaultMethod));
  if (run == loaded->signature().end() || run->second.inputs.size() != 1) {
    return absl::InvalidArgumentError(
        StrCat("runner '", runner, "' has no method 'run' of one input"));
  }
  const size_t outputs = run->second.outputs.size();
  return LocalRunner(std::move(loaded), outputs);
}

absl::StatusOr<std::span<const TensorView>> LocalRunner::Run(const TensorView& input,
                                                             int64_t rows) {
  const worker::Invocation invocation = {
      .method = kDefaultMethod, .inputs = {&input, 1}, .rows = rows};
  RETURN_IF_ERROR(backend_->Run(invocation, outputs_));
  return outputs_.views();
}

}  // namespace tiffin::bench
