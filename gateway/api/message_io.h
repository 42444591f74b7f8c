#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/api/rpc.h"
#include "gateway/api/status.h"
#include "google/protobuf/message.h"
#include "google/protobuf/repeated_field.h"
#include "grpcpp/support/byte_buffer.h"

// Messages in and out of RPCs.
namespace tiffin::gateway {

// INVALID_ARGUMENT naming the message's type.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message& message);
absl::Status InvalidMessage(const google::protobuf::Descriptor& type);
// A view.
inline std::span<const int64_t> Dimensions(const google::protobuf::RepeatedField<int64_t>& shape) {
  return {shape.data(), static_cast<size_t>(shape.size())};
}
grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message);

// `size` bytes of a message to be written in place.
class MessageBuffer {
 public:
  explicit MessageBuffer(size_t size);
  MessageBuffer(const MessageBuffer&) = delete;
  MessageBuffer& operator=(const MessageBuffer&) = delete;
  ~MessageBuffer();

  uint8_t* data();
  // Once, when it is filled.
  grpc::ByteBuffer Take();

 private:
  grpc_slice slice_;
};

// Reads the one message of an RPC with a single request and calls `handle`. Without a message the
// RPC is finished here.
void ReadRequest(Rpc& rpc, absl::AnyInvocable<void(grpc::ByteBuffer)> handle);

// Reads, parses, and finishes with what `answer(request)` returns: an absl::StatusOr<Response>.
template <typename Request, typename Answer>
void AnswerUnary(Rpc& rpc, Answer answer) {
  ReadRequest(rpc, [&rpc, answer = std::move(answer)](const grpc::ByteBuffer& bytes) mutable {
    Request request;
    if (absl::Status parsed = ParseMessage(bytes, request); !parsed.ok()) {
      FinishWith(rpc, parsed);
      return;
    }
    auto response = answer(request);
    if (!response.ok()) {
      FinishWith(rpc, response.status());
      return;
    }
    rpc.Finish(absl::OkStatus(), SerializeMessage(*response));
  });
}

}  // namespace tiffin::gateway
