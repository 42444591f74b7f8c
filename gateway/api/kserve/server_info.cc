#include "gateway/api/kserve/server_info.h"

#include "absl/algorithm/container.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "gateway/api/access.h"
#include "gateway/api/kserve/config.h"
#include "gateway/api/kserve/repository.h"
#include "gateway/api/kserve/response.h"
#include "gateway/api/kserve/statistics.h"

namespace tiffin::gateway::kserve {

bool ServerInfo::ServerReady() const {
  return absl::c_all_of(
             serving_.services(),
             [&](const PlannedService& service) { return serving_.ServiceReady(service.name); }) &&
         absl::c_all_of(serving_.absent(), [&](const AbsentService& service) {
           return serving_.ServiceReady(service.name);
         });
}

bool ServerInfo::Ready(const Model& model) const {
  return model.runner.empty() ? serving_.ServiceReady(model.service)
                              : serving_.RunnerReady(model.service, model.runner);
}

inference::ServerMetadataResponse ServerInfo::ServerMetadata() const {
  inference::ServerMetadataResponse response;
  response.set_name("tiffin");
  response.set_version(TIFFIN_VERSION);
  // Of Triton's names for its extensions, those that are all there.
  response.add_extensions("model_configuration");
  response.add_extensions("statistics");
  return response;
}

absl::StatusOr<inference::ModelReadyResponse> ServerInfo::ModelReady(
    const Caller* caller, std::string_view name, std::string_view version) const {
  ASSIGN_OR_RETURN(const Model* model, models_.FindFor(caller, name, version));
  inference::ModelReadyResponse response;
  response.set_ready(Ready(*model));
  return response;
}

absl::StatusOr<inference::ModelMetadataResponse> ServerInfo::ModelMetadata(
    const Caller* caller, std::string_view name, std::string_view version) const {
  ASSIGN_OR_RETURN(const Model* model, models_.FindFor(caller, name, version));
  return MetadataOf(*model);
}

absl::StatusOr<inference::ModelConfigResponse> ServerInfo::ModelConfig(
    const Caller* caller, std::string_view name, std::string_view version) const {
  ASSIGN_OR_RETURN(const Model* model, models_.FindFor(caller, name, version));
  inference::ModelConfigResponse response;
  *response.mutable_config() = ConfigOf(*model, models_);
  return response;
}

absl::StatusOr<inference::ModelStatisticsResponse> ServerInfo::ModelStatistics(
    const Caller* caller, std::string_view name, std::string_view version) const {
  inference::ModelStatisticsResponse response;
  const Moment moment{.now = clock_.Now(), .wall = absl::Now()};
  const auto add = [&](const Model& model) {
    *response.add_model_stats() = StatisticsOf(model, serving_.statistics(model.target), moment);
  };
  if (name.empty()) {
    for (const auto& [full, model] : models_) {
      if (CheckAccess(caller, model.service).ok()) add(model);
    }
  } else {
    ASSIGN_OR_RETURN(const Model* model, models_.FindFor(caller, name, version));
    add(*model);
  }
  return response;
}

absl::StatusOr<inference::RepositoryIndexResponse> ServerInfo::RepositoryIndex(
    const Caller* caller, const inference::RepositoryIndexRequest& request) const {
  return IndexOf(
      models_, request, [&](const Model& model) { return CheckAccess(caller, model.service).ok(); },
      [this](const Model& model) { return Ready(model); });
}

}  // namespace tiffin::gateway::kserve
