#include "common/async/probe.h"

#include "absl/time/clock.h"
#include "common/async/message.h"
#include "common/strings.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"

namespace tiffin {

absl::Status ProbeHealth(const std::string& address, const std::string& service,
                         absl::Duration timeout,
                         const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                         const grpc::ChannelArguments& arguments) {
  grpc::GenericStub stub(grpc::CreateCustomChannel(address, credentials, arguments));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  grpc::CompletionQueue queue;
  grpc::ByteBuffer reply;
  grpc::Status status;
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", ToByteBuffer(request),
                                    &queue);
  call->StartCall();
  call->Finish(&reply, &status, &context);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  if (!status.ok()) {
    return {static_cast<absl::StatusCode>(status.error_code()),
            StrCat(address, ": ", status.error_message())};
  }
  grpc::health::v1::HealthCheckResponse response;
  if (!FromByteBuffer(reply, response)) {
    return absl::InternalError(StrCat(address, ": not a health protocol's answer"));
  }
  if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    return absl::UnavailableError(
        StrCat(address, ": ",
               grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status())));
  }
  return absl::OkStatus();
}

}  // namespace tiffin
