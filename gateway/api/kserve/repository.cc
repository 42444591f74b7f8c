#include "gateway/api/kserve/repository.h"

#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::kserve {

absl::StatusOr<inference::RepositoryIndexResponse> IndexOf(
    const ModelTable& models, const inference::RepositoryIndexRequest& request,
    absl::FunctionRef<bool(const Model&)> shown, absl::FunctionRef<bool(const Model&)> ready) {
  if (!request.repository_name().empty()) {
    return absl::NotFoundError(StrCat("there is no repository '",
                                      BoundedUtf8(request.repository_name(), 200),
                                      "'; leave the name empty"));
  }
  inference::RepositoryIndexResponse response;
  for (const auto& [name, model] : models) {
    if (!shown(model)) continue;
    const bool is_ready = ready(model);
    if (request.ready() && !is_ready) continue;
    auto& entry = *response.add_models();
    entry.set_name(name);
    entry.set_version(model.version);
    entry.set_state(is_ready ? "READY" : "UNAVAILABLE");
    if (!is_ready) entry.set_reason("no worker is ready; the server's log says why");
  }
  return response;
}

absl::Status CannotReload(std::string_view what) {
  return absl::UnimplementedError(
      StrCat(what,
             ": models are loaded when the server starts, and stay; change the service file or the "
             "store, and start the server again"));
}

}  // namespace tiffin::gateway::kserve
