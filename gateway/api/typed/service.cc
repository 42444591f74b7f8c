#include "gateway/api/typed/service.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "gateway/api/access.h"
#include "gateway/api/message_io.h"
#include "gateway/api/typed/codec.h"
#include "google/protobuf/arena.h"

namespace tiffin::gateway::typed {

TypedService::TypedService(Serving& serving, const Descriptors& descriptors, const Clock& clock)
    : serving_(serving), descriptors_(descriptors), calls_(serving, clock) {
  for (const PlannedService& service : serving.services()) {
    for (const PlannedApi& api : service.apis) interfaces_[&api] = InterfaceOf(&api);
  }
}

bool TypedService::Start(Rpc& rpc) {
  const Method* method = descriptors_.FindMethod(rpc.method());
  if (method == nullptr) return false;
  if (absl::Status allowed = CheckAccess(rpc.caller(), method->api->service); !allowed.ok()) {
    calls_.Refuse(rpc, "", std::move(allowed), method->api);
    return true;
  }
  ReadRequest(rpc, [this, &rpc, method, received = calls_.Now()](const grpc::ByteBuffer& message) {
    Infer(rpc, *method, message, received);
  });
  return true;
}

void TypedService::Infer(Rpc& rpc, const Method& method, const grpc::ByteBuffer& message,
                         absl::Time received) {
  const Interface& target = interfaces_.at(method.api);
  google::protobuf::Arena arena;
  google::protobuf::Message& request = *method.request->New(&arena);
  absl::Status status = ParseMessage(message, request);
  absl::StatusOr<InputSet> inputs = status.ok()
                                        ? DecodeRequest(request, target, serving_.allocator())
                                        : absl::StatusOr<InputSet>(std::move(status));
  if (!inputs.ok()) {
    calls_.Refuse(rpc, "", inputs.status(), method.api);
    return;
  }
  calls_.Start(rpc, {.target = method.api,
                     .inputs = *std::move(inputs),
                     .request_id = "",
                     .timeout = std::nullopt,
                     .received = received,
                     .encode = [&target, &method](const std::vector<Value>& outputs)
                         -> absl::StatusOr<grpc::ByteBuffer> {
                       google::protobuf::Arena reply_arena;
                       google::protobuf::Message& reply = *method.reply->New(&reply_arena);
                       RETURN_IF_ERROR(FillReply(outputs, target, reply));
                       return SerializeMessage(reply);
                     }});
}

}  // namespace tiffin::gateway::typed
