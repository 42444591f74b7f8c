#include "gateway/api/kserve/service.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/kserve/config.h"
#include "gateway/api/kserve/decode.h"
#include "gateway/api/kserve/repository.h"
#include "gateway/api/kserve/request.h"
#include "gateway/api/kserve/response.h"
#include "gateway/api/kserve/shared_memory_rpcs.h"
#include "gateway/api/kserve/statistics.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::kserve {
namespace {

constexpr std::string_view kPrefix = "/inference.GRPCInferenceService/";

}  // namespace

absl::StatusOr<std::unique_ptr<KserveService>> KserveService::Create(Serving& serving,
                                                                     SharedMemory* memory,
                                                                     const Clock& clock) {
  ASSIGN_OR_RETURN(ModelTable models, ModelTable::Create(serving.services(), serving.runners()));
  return std::unique_ptr<KserveService>(
      new KserveService(serving, memory, clock, std::move(models)));
}

bool KserveService::ServerReady() const {
  return absl::c_all_of(serving_.services(), [&](const PlannedService& service) {
    return serving_.ServiceReady(service.name);
  });
}

bool KserveService::Ready(const Model& model) const {
  return model.runner.empty() ? serving_.ServiceReady(model.service)
                              : serving_.RunnerReady(model.service, model.runner);
}

absl::StatusOr<inference::ModelReadyResponse> KserveService::ModelReady(
    const inference::ModelReadyRequest& request) const {
  ASSIGN_OR_RETURN(const Model* model, models_.Find(request.name(), request.version()));
  inference::ModelReadyResponse response;
  response.set_ready(Ready(*model));
  return response;
}

inference::ServerMetadataResponse KserveService::ServerMetadata() const {
  inference::ServerMetadataResponse response;
  response.set_name("tiffin");
  response.set_version(TIFFIN_VERSION);
  // Of Triton's names for its extensions, those whose RPCs are all there.
  response.add_extensions("model_configuration");
  response.add_extensions("statistics");
  if (memory_ != nullptr) response.add_extensions("system_shared_memory");
  return response;
}

absl::StatusOr<inference::ModelMetadataResponse> KserveService::ModelMetadata(
    const inference::ModelMetadataRequest& request) const {
  ASSIGN_OR_RETURN(const Model* model, models_.Find(request.name(), request.version()));
  return MetadataOf(*model);
}

absl::StatusOr<inference::ModelConfigResponse> KserveService::ModelConfig(
    const inference::ModelConfigRequest& request) const {
  ASSIGN_OR_RETURN(const Model* model, models_.Find(request.name(), request.version()));
  inference::ModelConfigResponse response;
  *response.mutable_config() = ConfigOf(*model, models_);
  return response;
}

absl::StatusOr<inference::ModelStatisticsResponse> KserveService::ModelStatistics(
    const inference::ModelStatisticsRequest& request) const {
  inference::ModelStatisticsResponse response;
  const Moment moment{.now = calls_.Now(), .wall = absl::Now()};
  const auto add = [&](const Model& model) {
    *response.add_model_stats() = StatisticsOf(model, serving_.statistics(model.target), moment);
  };
  if (request.name().empty()) {
    for (const auto& [name, model] : models_) add(model);
  } else {
    ASSIGN_OR_RETURN(const Model* model, models_.Find(request.name(), request.version()));
    add(*model);
  }
  return response;
}

void KserveService::ModelInfer(Rpc& rpc, const grpc::ByteBuffer& message, absl::Time received) {
  ParsedRequest parsed;
  if (absl::Status status = parsed.Parse(message); !status.ok()) {
    calls_.Refuse(rpc, "", std::move(status), std::nullopt);
    return;
  }
  absl::StatusOr<InferRequest> request =
      DecodeRequest(parsed, models_, memory_, serving_.allocator());
  if (!request.ok()) {
    calls_.Refuse(rpc, parsed.message().id(), request.status(), TargetOf(parsed, models_));
    return;
  }
  request->received = received;
  calls_.Start(rpc, *std::move(request));
}

std::vector<std::string> KserveService::UnaryMethods() const {
  return {StrCat(kPrefix, "ModelInfer")};
}

bool KserveService::StartUnary(std::string_view method, Rpc& rpc) {
  if (method == "ModelReady") {
    AnswerUnary<inference::ModelReadyRequest>(
        rpc, [this](const auto& request) { return ModelReady(request); });
  } else if (method == "ModelMetadata") {
    AnswerUnary<inference::ModelMetadataRequest>(
        rpc, [this](const auto& request) { return ModelMetadata(request); });
  } else if (method == "ModelConfig") {
    AnswerUnary<inference::ModelConfigRequest>(
        rpc, [this](const auto& request) { return ModelConfig(request); });
  } else if (method == "ModelStatistics") {
    AnswerUnary<inference::ModelStatisticsRequest>(
        rpc, [this](const auto& request) { return ModelStatistics(request); });
  } else if (method == "RepositoryIndex") {
    AnswerUnary<inference::RepositoryIndexRequest>(rpc, [this](const auto& request) {
      return IndexOf(models_, request, [this](const Model& model) { return Ready(model); });
    });
  } else if (method == "ServerLive") {
    AnswerUnary<inference::ServerLiveRequest>(rpc, [](const auto&) {
      inference::ServerLiveResponse response;
      response.set_live(true);
      return absl::StatusOr<inference::ServerLiveResponse>(std::move(response));
    });
  } else if (method == "ServerReady") {
    AnswerUnary<inference::ServerReadyRequest>(rpc, [this](const auto&) {
      inference::ServerReadyResponse response;
      response.set_ready(ServerReady());
      return absl::StatusOr<inference::ServerReadyResponse>(std::move(response));
    });
  } else if (method == "ServerMetadata") {
    AnswerUnary<inference::ServerMetadataRequest>(rpc, [this](const auto&) {
      return absl::StatusOr<inference::ServerMetadataResponse>(ServerMetadata());
    });
  } else {
    return false;
  }
  return true;
}

bool KserveService::Start(Rpc& rpc) {
  std::string_view method = rpc.method();
  if (!method.starts_with(kPrefix)) return false;
  method.remove_prefix(kPrefix.size());
  if (method == "ModelInfer") {
    ReadRequest(rpc, [this, &rpc, received = calls_.Now()](const grpc::ByteBuffer& message) {
      ModelInfer(rpc, message, received);
    });
  } else if (method == "ModelStreamInfer") {
    streams_.Start(rpc);
  } else if (method == "RepositoryModelLoad" || method == "RepositoryModelUnload") {
    FinishWith(rpc, CannotReload(method));
  } else if (!StartUnary(method, rpc) && !AnswerSharedMemory(method, rpc, memory_)) {
    FinishWith(rpc, absl::UnimplementedError(StrCat("inference.GRPCInferenceService/",
                                                    BoundedUtf8(method, 200),
                                                    " is not supported by this server")));
  }
  return true;
}

}  // namespace tiffin::gateway::kserve
