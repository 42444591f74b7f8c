#pragma once

#include "google/protobuf/message_lite.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin {

// A protobuf message as gRPC sends it.
inline grpc::ByteBuffer ToByteBuffer(const google::protobuf::MessageLite& message) {
  grpc::ByteBuffer buffer;
  bool own = false;
  grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::MessageLite>(message, &buffer,
                                                                                 &own);
  return buffer;
}

// False if `buffer` holds no such message. Leaves `buffer` empty.
inline bool FromByteBuffer(grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message) {
  return grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::MessageLite>(&buffer,
                                                                                          &message)
      .ok();
}

}  // namespace tiffin
