#include "gateway/dispatch/worker_identity.h"

#include "common/strings.h"

namespace tiffin::gateway {

std::string AnotherRunner(const WorkerDescription& worker, std::string_view runner) {
  if (worker.runner.empty() || worker.runner == runner) return "";
  return StrCat("runs '", worker.runner, "' of service '", worker.service,
                "'; start it with --runner ", runner, ", or correct 'endpoints'");
}

std::string WhatRuns(const WorkerDescription& worker) {
  if (worker.model.empty()) return StrCat("the backend ", worker.backend);
  return StrCat("the model ", worker.model, ":", worker.model_version);
}

std::string RunsOther(const WorkerDescription& worker, std::string_view written) {
  const size_t colon = written.find(':');
  const bool is_model = colon != written.npos;
  const std::string_view version = is_model ? written.substr(colon + 1) : "";
  const bool as_written = is_model
                              ? worker.model == written.substr(0, colon) &&
                                    (version == "latest" || version == StrCat(worker.model_version))
                              : worker.model.empty() && worker.backend == written;
  if (written.empty() || as_written) return "";
  return StrCat("runs ", WhatRuns(worker), ", but the service file says ", written,
                "; start it with that file, or correct the file");
}

}  // namespace tiffin::gateway
