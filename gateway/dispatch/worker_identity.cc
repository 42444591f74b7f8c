#include "gateway/dispatch/worker_identity.h"

#include "common/strings.h"

namespace tiffin::gateway {

std::string AnotherRunner(const WorkerDescription& worker, std::string_view runner) {
  if (worker.runner.empty() || worker.runner == runner) return "";
  return StrCat("runs '", worker.runner, "' of service '", worker.service,
                "'; start it with --runner ", runner, ", or correct 'endpoints'");
}

}  // namespace tiffin::gateway
