#include "gateway/api/kserve/service.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/kserve/request.h"
#include "gateway/api/kserve/response.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::kserve {
namespace {

constexpr std::string_view kPrefix = "/inference.GRPCInferenceService/";

absl::StatusOr<InferRequest> Decode(const ParsedRequest& parsed, const ModelTable& models,
                                    ValueAllocator& allocator) {
  const inference::ModelInferRequest& message = parsed.message();
  ASSIGN_OR_RETURN(const Model* model, models.Find(message.model_name(), message.model_version()));
  ASSIGN_OR_RETURN(std::optional<absl::Duration> timeout, TimeoutOf(message));
  ASSIGN_OR_RETURN(std::vector<size_t> outputs, RequestedOutputs(message, model->interface));
  ASSIGN_OR_RETURN(InputSet inputs, DecodeInputs(parsed, model->interface, allocator));
  return InferRequest{.target = model->target,
                      .inputs = std::move(inputs),
                      .request_id = message.id(),
                      .timeout = timeout,
                      .received = {},
                      .encode = [model, id = message.id(),
                                 requested = std::move(outputs)](const std::vector<Value>& values) {
                        return EncodeResponse(*model, id, values, requested);
                      }};
}

}  // namespace

absl::StatusOr<std::unique_ptr<KserveService>> KserveService::Create(Serving& serving,
                                                                     const Clock& clock) {
  ASSIGN_OR_RETURN(ModelTable models, ModelTable::Create(serving.services(), serving.runners()));
  return std::unique_ptr<KserveService>(new KserveService(serving, clock, std::move(models)));
}

bool KserveService::ServerReady() const {
  return absl::c_all_of(serving_.services(), [&](const PlannedService& service) {
    return serving_.ServiceReady(service.name);
  });
}

absl::StatusOr<inference::ModelReadyResponse> KserveService::ModelReady(
    const inference::ModelReadyRequest& request) const {
  ASSIGN_OR_RETURN(const Model* model, models_.Find(request.name(), request.version()));
  inference::ModelReadyResponse response;
  response.set_ready(model->runner.empty() ? serving_.ServiceReady(model->service)
                                           : serving_.RunnerReady(model->service, model->runner));
  return response;
}

inference::ServerMetadataResponse KserveService::ServerMetadata() const {
  inference::ServerMetadataResponse response;
  response.set_name("tiffin");
  response.set_version(TIFFIN_VERSION);
  return response;
}

absl::StatusOr<inference::ModelMetadataResponse> KserveService::ModelMetadata(
    const inference::ModelMetadataRequest& request) const {
  ASSIGN_OR_RETURN(const Model* model, models_.Find(request.name(), request.version()));
  return MetadataOf(*model);
}

void KserveService::ModelInfer(Rpc& rpc, const grpc::ByteBuffer& message, absl::Time received) {
  ParsedRequest parsed;
  if (absl::Status status = parsed.Parse(message); !status.ok()) {
    calls_.Refuse(rpc, "", std::move(status));
    return;
  }
  absl::StatusOr<InferRequest> request = Decode(parsed, models_, serving_.allocator());
  if (!request.ok()) {
    calls_.Refuse(rpc, parsed.message().id(), request.status());
    return;
  }
  request->received = received;
  calls_.Start(rpc, *std::move(request));
}

std::vector<std::string> KserveService::UnaryMethods() const {
  return {StrCat(kPrefix, "ModelInfer")};
}

bool KserveService::Start(Rpc& rpc) {
  std::string_view method = rpc.method();
  if (!method.starts_with(kPrefix)) return false;
  method.remove_prefix(kPrefix.size());
  if (method == "ModelInfer") {
    ReadRequest(rpc, [this, &rpc, received = calls_.Now()](const grpc::ByteBuffer& message) {
      ModelInfer(rpc, message, received);
    });
  } else if (method == "ModelReady") {
    AnswerUnary<inference::ModelReadyRequest>(
        rpc, [this](const auto& request) { return ModelReady(request); });
  } else if (method == "ModelMetadata") {
    AnswerUnary<inference::ModelMetadataRequest>(
        rpc, [this](const auto& request) { return ModelMetadata(request); });
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
    FinishWith(rpc, absl::UnimplementedError(StrCat("inference.GRPCInferenceService/",
                                                    BoundedUtf8(method, 200),
                                                    " is not supported by this server")));
  }
  return true;
}

}  // namespace tiffin::gateway::kserve
