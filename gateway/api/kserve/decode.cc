#include "gateway/api/kserve/decode.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "common/status_macros.h"
#include "gateway/api/access.h"

namespace tiffin::gateway::kserve {
namespace {

// The request's own. A client that waits for a mark on the last response to its request gets it
// with the only one.
std::unique_ptr<const Parameters> ReplyParameters(const inference::ModelInferRequest& request) {
  if (request.parameters().empty()) return nullptr;
  auto parameters = std::make_unique<Parameters>(request.parameters());
  const auto wants_final = parameters->find("triton_enable_empty_final_response");
  if (wants_final != parameters->end() && wants_final->second.bool_param()) {
    (*parameters)["triton_final_response"].set_bool_param(true);
  }
  return parameters;
}

// A region is everybody's, whoever registered it.
absl::Status CheckRegions(const inference::ModelInferRequest& request, const Caller* caller) {
  const auto is_shared = [](const auto& tensor) { return IsShared(tensor.parameters()); };
  if (absl::c_any_of(request.inputs(), is_shared) || absl::c_any_of(request.outputs(), is_shared)) {
    return CheckAccessToAll(caller, "shared memory");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CheckedRequest> CheckRequest(const ParsedRequest& parsed, const ModelTable& models,
                                            const Allowed& allowed, ValueAllocator& allocator) {
  const inference::ModelInferRequest& message = parsed.message();
  ASSIGN_OR_RETURN(const Model* model,
                   models.FindFor(allowed.caller, message.model_name(), message.model_version()));
  RETURN_IF_ERROR(CheckRegions(message, allowed.caller));
  ASSIGN_OR_RETURN(std::optional<absl::Duration> timeout, TimeoutOf(message));
  ASSIGN_OR_RETURN(std::vector<RequestedOutput> outputs,
                   RequestedOutputs(message, model->interface, allowed.memory));
  ASSIGN_OR_RETURN(InputSet inputs,
                   DecodeInputs(parsed, model->interface, allowed.memory, allocator));
  return CheckedRequest{.model = model,
                        .timeout = timeout,
                        .outputs = std::move(outputs),
                        .inputs = std::move(inputs),
                        .parameters = ReplyParameters(message)};
}

absl::StatusOr<InferRequest> DecodeRequest(const ParsedRequest& parsed, const ModelTable& models,
                                           const Allowed& allowed, ValueAllocator& allocator) {
  ASSIGN_OR_RETURN(CheckedRequest checked, CheckRequest(parsed, models, allowed, allocator));
  return InferRequest{
      .target = checked.model->target,
      .inputs = std::move(checked.inputs),
      .request_id = parsed.message().id(),
      .timeout = checked.timeout,
      .received = {},
      .encode = [model = checked.model, id = parsed.message().id(),
                 requested = std::move(checked.outputs),
                 parameters = std::move(checked.parameters)](const std::vector<Value>& values) {
        return EncodeResponse(*model, id, values, requested, parameters.get());
      }};
}

std::optional<InferTarget> TargetOf(const ParsedRequest& parsed, const ModelTable& models) {
  const inference::ModelInferRequest& message = parsed.message();
  const auto model = models.Find(message.model_name(), message.model_version());
  if (!model.ok()) return std::nullopt;
  return (*model)->target;
}

}  // namespace tiffin::gateway::kserve
