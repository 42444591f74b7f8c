#include "tests/bench/protocol.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "echo.pb.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/slice.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::bench {
namespace {

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

template <typename Message>
absl::StatusOr<Message> Parse(const grpc::ByteBuffer& buffer) {
  // The reader takes a pointer to non-const and leaves the buffer as it is.
  grpc::ByteBuffer shared(buffer);
  grpc::ProtoBufferReader reader(&shared);
  Message message;
  if (!reader.status().ok() || !message.ParseFromZeroCopyStream(&reader)) {
    return absl::DataLossError(StrCat("the reply is no ", message.GetTypeName()));
  }
  return message;
}

}  // namespace

std::string EchoProtocol::method() const { return "/tiffin.bench.Echo/Echo"; }

grpc::ByteBuffer EchoProtocol::Request(const std::string& payload) const {
  EchoMessage message;
  message.set_payload(payload);
  return Serialize(message);
}

absl::StatusOr<std::string> EchoProtocol::Payload(const grpc::ByteBuffer& reply) const {
  ASSIGN_OR_RETURN(EchoMessage message, Parse<EchoMessage>(reply));
  return std::move(*message.mutable_payload());
}

std::string InferProtocol::method() const { return "/inference.GRPCInferenceService/ModelInfer"; }

grpc::ByteBuffer InferProtocol::Request(const std::string& payload) const {
  inference::ModelInferRequest request;
  request.set_model_name(input_.model);
  auto& tensor = *request.add_inputs();
  tensor.set_name(input_.name);
  tensor.set_datatype(input_.datatype);
  tensor.mutable_shape()->Assign(input_.shape.begin(), input_.shape.end());
  if (!input_.output.empty()) request.add_outputs()->set_name(input_.output);
  request.add_raw_input_contents(payload);
  return Serialize(request);
}

absl::StatusOr<std::string> InferProtocol::Payload(const grpc::ByteBuffer& reply) const {
  ASSIGN_OR_RETURN(inference::ModelInferResponse response,
                   Parse<inference::ModelInferResponse>(reply));
  if (response.outputs_size() != 1 || response.raw_output_contents_size() != 1) {
    return absl::DataLossError(StrCat("the reply has ", response.outputs_size(), " outputs and ",
                                      response.raw_output_contents_size(),
                                      " raw contents, not one of each"));
  }
  return std::move(*response.mutable_raw_output_contents(0));
}

absl::Status ReplyChecker::Check(const grpc::ByteBuffer& reply) {
  ASSIGN_OR_RETURN(std::string payload, protocol_.Payload(reply));
  if (!expected_.has_value()) {
    expected_ = std::move(payload);
    return absl::OkStatus();
  }
  if (payload == *expected_) return absl::OkStatus();
  const auto [got, wanted] =
      std::mismatch(payload.begin(), payload.end(), expected_->begin(), expected_->end());
  return absl::DataLossError(StrCat("the reply's ", payload.size(), " bytes are not the ",
                                    expected_->size(), " expected; they differ from byte ",
                                    got - payload.begin(), " on"));
}

}  // namespace tiffin::bench
