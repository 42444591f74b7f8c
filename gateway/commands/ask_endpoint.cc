#include "gateway/commands/ask_endpoint.h"

#include <future>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "common/async/message.h"
#include "common/session/frames.h"
#include "common/strings.h"
#include "gateway/commands/endpoint_advice.h"
#include "gateway/dispatch/worker_credentials.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::gateway {
namespace {

// The first frame of a session that shares nothing, which any worker gives.
absl::StatusOr<WorkerDescription> Ask(const std::string& target,
                                      const security::ClientSecurity& security) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  grpc::GenericStub stub(grpc::CreateCustomChannel(target,
                                                   security.tls
                                                       ? security::GrpcChannelCredentials(security)
                                                       : grpc::InsecureChannelCredentials(),
                                                   arguments));
  grpc::ClientContext context;
  if (!security.token.empty()) {
    context.AddMetadata("authorization", security::Authorization(security.token));
  }
  context.set_deadline(absl::ToChronoTime(absl::Now() + kAskEndpointTime));
  grpc::CompletionQueue queue;
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  worker::v1::Frames attach;
  worker::v1::Attach& frame = *attach.add_frames()->mutable_attach();
  frame.set_protocol_version(session::kProtocolVersion);
  frame.set_session(1);
  frame.set_inline_tensors(true);
  auto stream = stub.PrepareCall(&context, session::kAttachMethod, &queue);
  stream->StartCall(nullptr);
  bool ok = done();
  if (ok) {
    stream->Write(ToByteBuffer(attach), nullptr);
    ok = done();
  }
  grpc::ByteBuffer answer;
  if (ok) {
    stream->Read(&answer, nullptr);
    ok = done();
  }
  worker::v1::Frames hello;
  ok =
      ok && FromByteBuffer(answer, hello) && hello.frames_size() > 0 && hello.frames(0).has_hello();
  if (ok) context.TryCancel();
  grpc::Status status;
  stream->Finish(&status, nullptr);
  done();
  queue.Shutdown();
  if (ok) return WorkerDescriptionFromJson(hello.frames(0).hello().description());
  if (status.ok()) return absl::InternalError("not a worker of this version");
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

std::vector<EndpointAnswer> AskEndpoints(const config::RunnerConfig& runner,
                                         const WorkerCredentials* credentials) {
  std::vector<std::future<EndpointAnswer>> asked;
  for (const config::Endpoint& endpoint : runner.endpoints) {
    const bool is_shown = credentials != nullptr && endpoint.kind != config::Endpoint::Kind::kUnix;
    asked.push_back(std::async(
        std::launch::async,
        [target = ToString(endpoint), is_shown, credentials]() -> EndpointAnswer {
          const security::ClientSecurity security =
              is_shown ? *credentials->current() : security::ClientSecurity{};
          absl::StatusOr<WorkerDescription> description = Ask(target, security);
          if (description.ok()) return {target, std::move(description)};
          const absl::Status& why = description.status();
          const Shown shown = security.tls ? Shown::kTls : Shown::kPlain;
          return {target, absl::Status(why.code(), StrCat(Message(why), AdviceOn(why, shown)))};
        }));
  }
  std::vector<EndpointAnswer> answers;
  answers.reserve(asked.size());
  for (auto& answer : asked) answers.push_back(answer.get());
  return answers;
}

}  // namespace tiffin::gateway
