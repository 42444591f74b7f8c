#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "common/async/caller.h"
#include "common/clock.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/serving.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

// What clients ask about the server and its models, whichever carrier brings the question. An empty
// version is the one there is; NOT_FOUND says which models or versions there are. Each is told to a
// caller who may call it (null: everybody), and lists have no others. On the loop's thread.
class ServerInfo {
 public:
  // All of it outlives this.
  ServerInfo(const Serving& serving, const ModelTable& models, const Clock& clock)
      : serving_(serving), models_(models), clock_(clock) {}

  bool ServerReady() const;
  inference::ServerMetadataResponse ServerMetadata() const;
  absl::StatusOr<inference::ModelReadyResponse> ModelReady(const Caller* caller,
                                                           std::string_view name,
                                                           std::string_view version) const;
  absl::StatusOr<inference::ModelMetadataResponse> ModelMetadata(const Caller* caller,
                                                                 std::string_view name,
                                                                 std::string_view version) const;
  absl::StatusOr<inference::ModelConfigResponse> ModelConfig(const Caller* caller,
                                                             std::string_view name,
                                                             std::string_view version) const;
  // Of all models where the name is empty.
  absl::StatusOr<inference::ModelStatisticsResponse> ModelStatistics(
      const Caller* caller, std::string_view name, std::string_view version) const;
  absl::StatusOr<inference::RepositoryIndexResponse> RepositoryIndex(
      const Caller* caller, const inference::RepositoryIndexRequest& request) const;

 private:
  bool Ready(const Model& model) const;

  const Serving& serving_;
  const ModelTable& models_;
  const Clock& clock_;
};

}  // namespace tiffin::gateway::kserve
