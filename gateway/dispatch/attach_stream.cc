#include "gateway/dispatch/attach_stream.h"

#include <optional>
#include <utility>

#include "common/async/message.h"
#include "common/async/rpc_server.h"
#include "common/session/frames.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"

namespace tiffin::gateway {
namespace {

// Null: what workers on this machine's sockets are shown.
using Security = std::shared_ptr<const security::ClientSecurity>;

Security SecurityFor(const WorkerAddress& address, const WorkerCredentials* credentials) {
  return credentials == nullptr || address.shares_memory() ? nullptr : credentials->current();
}

std::shared_ptr<grpc::Channel> MakeChannel(const WorkerAddress& address, const Security& security) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kDefaultMaxMessageBytes);
  // A channel of its own for each life of a worker: never a connection to the one before.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The least time that one attempt to connect has: a worker that is busy, also with the other
  // loops' sessions, may take a while to answer. Attempts after the first are Replica's.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(session::kSilenceLimit)));
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // Whatever the environment says of the web.
  if (!address.shares_memory()) {
    // A write to a host that has vanished ends when TCP gives it up, which takes a quarter of an
    // hour, whether it is cancelled or not; unless gRPC closes the connection (and TCP then, too).
    const auto silence = static_cast<int>(absl::ToInt64Milliseconds(session::kSilenceLimit));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, silence);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, silence);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // As many as that takes.
  }
  if (security == nullptr || !security->tls) {
    return grpc::CreateCustomChannel(address.target, grpc::InsecureChannelCredentials(), arguments);
  }
  if (!address.server_name.empty()) arguments.SetSslTargetNameOverride(address.server_name);
  return grpc::CreateCustomChannel(address.target, security::GrpcChannelCredentials(*security),
                                   arguments);
}

}  // namespace

class AttachStream::Call {
 public:
  Call(const WorkerAddress& address, const Security& security, Loop& loop, OnFrames on_frames,
       OnEnded on_ended)
      : on_frames_(std::move(on_frames)),
        on_ended_(std::move(on_ended)),
        queue_(loop.queue()),
        channel_(MakeChannel(address, security)),
        stub_(channel_),
        writer_(session::FrameWriter::Initially::kStarting,
                [this](const worker::v1::Frames& message) {
                  ++pending_;
                  stream_->Write(ToByteBuffer(message), &on_written_);
                  return session::FrameWriter::Progress::kStarted;
                }) {
    if (security != nullptr && !security->token.empty()) {
      context_.AddMetadata("authorization", security::Authorization(security->token));
    }
    stream_ = stub_.PrepareCall(&context_, session::kAttachMethod, &queue_);
    pending_ = 1;
    stream_->StartCall(&on_started_);
  }

  session::FrameWriter& writer() { return writer_; }

  void Cancel() {
    writer_.Close();
    context_.TryCancel();
  }

  void Detach() {
    detached_ = true;
    Cancel();
    // A channel that goes while it connects never closes its socket (gRPC 1.51): this one stays
    // until it has connected, or has not, for which it has a limited time.
    if (channel_->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_CONNECTING) return;
    ++pending_;
    channel_->NotifyOnStateChange(GRPC_CHANNEL_CONNECTING, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                  &queue_, &on_connected_);
  }

 private:
  class Op final : public Completion {
   public:
    Op(Call& call, void (Call::*handler)(bool)) : call_(call), handler_(handler) {}
    void OnComplete(bool ok) override {
      (call_.*handler_)(ok);
      call_.OperationEnded();
    }

   private:
    Call& call_;
    void (Call::*const handler_)(bool);
  };

  void Started(bool ok) {
    if (detached_) return;
    writer_.OnWritten(ok);
    if (ok) {
      Read();
    } else {
      Finish();
    }
  }

  // One read stays armed: an idle stream without one doesn't notice a dead peer.

  void Read() {
    ++pending_;
    stream_->Read(&read_buffer_, &on_read_);
  }

  void ReadDone(bool ok) {
    if (detached_) return;
    if (!ok) {
      Finish();
      return;
    }
    worker::v1::Frames frames;
    const bool parsed = FromByteBuffer(read_buffer_, frames);
    if (!parsed) context_.TryCancel();  // The next read fails, and the stream ends.
    Read();
    if (!parsed) return;
    on_frames_(std::move(frames));
  }

  void Written(bool ok) { writer_.OnWritten(ok); }

  void Finish() {
    writer_.Close();
    ++pending_;
    stream_->Finish(&status_, &on_finished_);
  }

  void Connected(bool /*ok*/) {}

  void Finished(bool /*ok*/) {
    if (detached_) return;
    on_ended_({static_cast<absl::StatusCode>(status_.error_code()), status_.error_message()});
  }

  void OperationEnded() {
    if (--pending_ == 0 && detached_) delete this;
  }

  friend class AttachStream;

  OnFrames on_frames_;
  OnEnded on_ended_;
  grpc::CompletionQueue& queue_;
  // Shared with gRPC's objects.
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  session::FrameWriter writer_;
  grpc::ByteBuffer read_buffer_;
  grpc::Status status_;
  int pending_ = 0;  // Operations that gRPC will still hand back.
  bool detached_ = false;
  Op on_started_{*this, &Call::Started};
  Op on_read_{*this, &Call::ReadDone};
  Op on_written_{*this, &Call::Written};
  Op on_finished_{*this, &Call::Finished};
  Op on_connected_{*this, &Call::Connected};
};

AttachStream::AttachStream(const WorkerAddress& address, const WorkerCredentials* credentials,
                           Loop& loop, OnFrames on_frames, OnEnded on_ended)
    : call_(new Call(address, SecurityFor(address, credentials), loop, std::move(on_frames),
                     std::move(on_ended))) {}

AttachStream::~AttachStream() {
  call_->Detach();
  if (call_->pending_ == 0) delete call_;
}

void AttachStream::Cancel() { call_->Cancel(); }

session::FrameWriter& AttachStream::writer() { return call_->writer(); }

}  // namespace tiffin::gateway
