#pragma once

#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "gateway/api/kserve/model_table.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

// All models, by name. NOT_FOUND if the request names a repository: the one there is has no name.
absl::StatusOr<inference::RepositoryIndexResponse> IndexOf(
    const ModelTable& models, const inference::RepositoryIndexRequest& request,
    absl::FunctionRef<bool(const Model&)> shown, absl::FunctionRef<bool(const Model&)> ready);

// Why models can be neither loaded nor unloaded, to who asked for it by `what`.
absl::Status CannotReload(std::string_view what);

}  // namespace tiffin::gateway::kserve
