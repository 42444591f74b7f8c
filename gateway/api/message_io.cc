#include "gateway/api/message_io.h"

#include <optional>
#include <utility>

#include "common/strings.h"
#include "gateway/api/status.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/slice.h"

namespace tiffin::gateway {

absl::Status InvalidMessage(const google::protobuf::Descriptor& type) {
  return absl::InvalidArgumentError(
      StrCat("the request is not a valid ", type.full_name(),
             " message; generate the client from the server's .proto files or its reflection"));
}

absl::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  grpc::ByteBuffer readable(bytes);  // Shares the slices; the reader wants it writable.
  if (!readable.Valid() || readable.Length() == 0) {
    message.Clear();
    return absl::OkStatus();
  }
  grpc::ProtoBufferReader reader(&readable);
  if (!reader.status().ok() || !message.ParseFromZeroCopyStream(&reader)) {
    return InvalidMessage(*message.GetDescriptor());
  }
  return absl::OkStatus();
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message) {
  MessageBuffer buffer(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(buffer.data());
  return buffer.Take();
}

MessageBuffer::MessageBuffer(size_t size) : slice_(grpc_slice_malloc(size)) {}

MessageBuffer::~MessageBuffer() { grpc_slice_unref(slice_); }

uint8_t* MessageBuffer::data() { return GRPC_SLICE_START_PTR(slice_); }

grpc::ByteBuffer MessageBuffer::Take() {
  const grpc::Slice slice(slice_, grpc::Slice::ADD_REF);
  return grpc::ByteBuffer(&slice, 1);
}

void ReadRequest(Rpc& rpc, absl::AnyInvocable<void(grpc::ByteBuffer)> handle) {
  rpc.Read([&rpc, handle = std::move(handle)](std::optional<grpc::ByteBuffer> message) mutable {
    if (!message.has_value()) {
      FinishWith(rpc, absl::InvalidArgumentError(StrCat("the call of ", rpc.method(),
                                                        " ended without a request message")));
      return;
    }
    handle(*std::move(message));
  });
}

}  // namespace tiffin::gateway
