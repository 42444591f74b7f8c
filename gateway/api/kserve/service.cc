#include "gateway/api/kserve/service.h"

#include <string_view>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/kserve/decode.h"
#include "gateway/api/kserve/repository.h"
#include "gateway/api/kserve/request.h"
#include "gateway/api/kserve/shared_memory_rpcs.h"
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
  ASSIGN_OR_RETURN(ModelTable models,
                   ModelTable::Create(serving.services(), serving.runners(), &serving));
  return std::unique_ptr<KserveService>(
      new KserveService(serving, memory, clock, std::move(models)));
}

void KserveService::ModelInfer(Rpc& rpc, const grpc::ByteBuffer& message, absl::Time received) {
  ParsedRequest parsed;
  if (absl::Status status = parsed.Parse(message); !status.ok()) {
    calls_.Refuse(rpc, "", std::move(status), std::nullopt);
    return;
  }
  absl::StatusOr<InferRequest> request =
      DecodeRequest(parsed, models_, {rpc.caller(), memory_}, serving_.allocator());
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
    AnswerUnary<inference::ModelReadyRequest>(rpc, [this, &rpc](const auto& request) {
      return info_.ModelReady(rpc.caller(), request.name(), request.version());
    });
  } else if (method == "ModelMetadata") {
    AnswerUnary<inference::ModelMetadataRequest>(rpc, [this, &rpc](const auto& request) {
      return info_.ModelMetadata(rpc.caller(), request.name(), request.version());
    });
  } else if (method == "ModelConfig") {
    AnswerUnary<inference::ModelConfigRequest>(rpc, [this, &rpc](const auto& request) {
      return info_.ModelConfig(rpc.caller(), request.name(), request.version());
    });
  } else if (method == "ModelStatistics") {
    AnswerUnary<inference::ModelStatisticsRequest>(rpc, [this, &rpc](const auto& request) {
      return info_.ModelStatistics(rpc.caller(), request.name(), request.version());
    });
  } else if (method == "RepositoryIndex") {
    AnswerUnary<inference::RepositoryIndexRequest>(rpc, [this, &rpc](const auto& request) {
      return info_.RepositoryIndex(rpc.caller(), request);
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
      response.set_ready(info_.ServerReady());
      return absl::StatusOr<inference::ServerReadyResponse>(std::move(response));
    });
  } else if (method == "ServerMetadata") {
    AnswerUnary<inference::ServerMetadataRequest>(rpc, [this](const auto&) {
      inference::ServerMetadataResponse response = info_.ServerMetadata();
      if (memory_ != nullptr) response.add_extensions("system_shared_memory");
      return absl::StatusOr<inference::ServerMetadataResponse>(std::move(response));
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
    FinishWith(rpc, CannotReload(rpc.method().substr(1)));
  } else if (!StartUnary(method, rpc) && !AnswerSharedMemory(method, rpc, memory_)) {
    FinishWith(rpc, absl::UnimplementedError(StrCat("inference.GRPCInferenceService/",
                                                    BoundedUtf8(method, 200),
                                                    " is not supported by this server")));
  }
  return true;
}

}  // namespace tiffin::gateway::kserve
