#include "gateway/client/connection.h"

#include <limits>

#include "absl/time/clock.h"
#include "common/async/message.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"

namespace tiffin::gateway::client {
namespace {

constexpr std::string_view kService = "/inference.GRPCInferenceService/";

std::string Trailing(const grpc::ClientContext& context, const char* key) {
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto found = trailing.find(key);
  return found == trailing.end() ? "" : std::string(found->second.data(), found->second.size());
}

}  // namespace

absl::StatusOr<Connection> Connection::Create(const std::string& address,
                                              const security::ClientSecurity& security,
                                              Interrupts& interrupts) {
  const auto refused = [&](std::string_view why) {
    return absl::InvalidArgumentError(StrCat("address '", address, "': ", why,
                                             "; write HOST:PORT, as in 127.0.0.1:8001, or ",
                                             "unix:PATH"));
  };
  if (address.find("://") != std::string::npos) {
    return refused("it is a URL, and this speaks gRPC");
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return refused("it has no port");
  }
  return Connection(address, security, interrupts);
}

Connection::Connection(std::string address, const security::ClientSecurity& security,
                       Interrupts& interrupts)
    : address_(std::move(address)), interrupts_(&interrupts), tls_(security.tls) {
  grpc::ChannelArguments arguments = security::GrpcChannelArguments(security);
  arguments.SetMaxReceiveMessageSize(-1);
  channel_ =
      grpc::CreateCustomChannel(address_, security::GrpcChannelCredentials(security), arguments);
}

absl::Status Connection::Explained(const grpc::Status& status, const CallOptions& options,
                                   absl::Time deadline) {
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code == absl::StatusCode::kCancelled && interrupts_->signal() != 0) {
    return absl::CancelledError("interrupted; the server has been told");
  }
  // A server's own UNAVAILABLE comes on a connection that works.
  unreachable_ = code == absl::StatusCode::kUnavailable &&
                 channel_->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  if (unreachable_) {
    return absl::UnavailableError(StrCat(
        "no gRPC server answers at ", address_, " (", status.error_message(),
        "); start one with 'tiffin serve FILE', or name its address with --address HOST:PORT or ",
        "unix:PATH",
        tls_ ? "; --tls-ca FILE says whose certificates to trust"
             : "; one with TLS wants --tls-ca FILE or --tls"));
  }
  if (code == absl::StatusCode::kUnauthenticated) {
    return absl::UnauthenticatedError(
        StrCat(status.error_message(), " (by --token-file FILE, or the variable TIFFIN_TOKEN)"));
  }
  if (code == absl::StatusCode::kUnimplemented) {
    return absl::UnimplementedError(StrCat("the server at ", address_, " does not speak KServe v2 ",
                                           "(", status.error_message(), ")"));
  }
  // A server may notice first, and cancel what it does.
  const bool is_late = code == absl::StatusCode::kCancelled && absl::Now() >= deadline;
  if (code == absl::StatusCode::kDeadlineExceeded || is_late) {
    return absl::DeadlineExceededError(StrCat(status.error_message(), " (--timeout is ",
                                              absl::FormatDuration(options.timeout), ")"));
  }
  return {code, ToAbsl(status.error_message())};
}

absl::StatusOr<grpc::ByteBuffer> Connection::Call(std::string_view method,
                                                  const google::protobuf::Message& request,
                                                  const CallOptions& options,
                                                  grpc::ClientContext& context) {
  const absl::Time deadline = absl::Now() + options.timeout;
  context.set_deadline(absl::ToChronoTime(deadline));
  for (const auto& [key, value] : options.metadata) context.AddMetadata(key, value);
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  grpc::ByteBuffer reply;
  grpc::Status status;
  auto call =
      stub.PrepareUnaryCall(&context, StrCat(kService, method), ToByteBuffer(request), &queue);
  call->StartCall();
  interrupts_->Watch(&context);
  call->Finish(&reply, &status, &context);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  interrupts_->Watch(nullptr);
  queue.Shutdown();
  if (!status.ok()) return Explained(status, options, deadline);
  return reply;
}

absl::StatusOr<Model> Connection::Describe(const std::string& model, const CallOptions& options) {
  inference::ModelMetadataRequest request;
  request.set_name(model);
  grpc::ClientContext context;
  ASSIGN_OR_RETURN(grpc::ByteBuffer reply, Call("ModelMetadata", request, options, context));
  inference::ModelMetadataResponse metadata;
  if (!FromByteBuffer(reply, metadata)) {
    return absl::InternalError(StrCat("the server at ", address_, " does not speak KServe v2"));
  }
  return ModelOf(metadata);
}

InferResult Connection::Infer(const inference::ModelInferRequest& request,
                              const CallOptions& options) {
  InferResult result;
  grpc::ClientContext context;
  absl::StatusOr<grpc::ByteBuffer> reply = Call("ModelInfer", request, options, context);
  result.status = reply.status();
  result.request_id = Trailing(context, "x-request-id");
  result.timing = Trailing(context, "tiffin-timing");
  if (reply.ok() && !FromByteBuffer(*reply, result.response)) {
    result.status = absl::InternalError("the reply is not one of KServe v2");
  }
  return result;
}

}  // namespace tiffin::gateway::client
