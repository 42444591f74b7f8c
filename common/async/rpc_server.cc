#include "common/async/rpc_server.h"

#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "grpc/grpc.h"

namespace tiffin {
namespace {

// Accepted in advance, so that a burst of calls doesn't wait for the loop to ask for the next.
constexpr int kRequestedCalls = 128;

absl::Time ToMonotonic(gpr_timespec deadline, absl::Time now) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return absl::InfiniteFuture();
  }
  const gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC),
                                         gpr_now(GPR_CLOCK_MONOTONIC));
  return now + absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

}  // namespace

// Deletes itself when the RPC is finished and no operation of it is pending any more.
class RpcServer::Call final : public Rpc {
 public:
  explicit Call(RpcServer& server) : server_(server) {
    context_.AsyncNotifyWhenDone(&on_done_);
    server_.generic_.RequestCall(&context_, &stream_, server_.queue_.get(), server_.queue_.get(),
                                 &on_accepted_);
    const absl::MutexLock lock(&server_.mutex_);
    ++server_.calls_;
  }
  ~Call() override {
    const absl::MutexLock lock(&server_.mutex_);
    --server_.calls_;
  }

  std::string_view method() const override { return context_.method(); }

  std::optional<std::string_view> metadata(std::string_view key) const override {
    const auto& metadata = context_.client_metadata();
    const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
    if (found == metadata.end()) return std::nullopt;
    return std::string_view(found->second.data(), found->second.size());
  }

  absl::Time deadline() const override { return deadline_; }

  void AddTrailingMetadata(std::string key, std::string value) override {
    context_.AddTrailingMetadata(key, value);
  }

  void Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) override {
    read_done_ = std::move(done);
    ++pending_;
    stream_.Read(&read_buffer_, &on_read_);
  }

  void Write(grpc::ByteBuffer message, absl::AnyInvocable<void(bool)> done) override {
    write_done_ = std::move(done);
    ++pending_;
    writing_ = true;
    stream_.Write(message, &on_written_);
  }

  void Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) override {
    finished_ = true;
    if (writing_) {  // gRPC takes one write at a time; its completion comes back here.
      deferred_finish_.emplace(std::move(status), std::move(message));
      return;
    }
    ++pending_;
    if (status.ok() && message.has_value()) {
      stream_.WriteAndFinish(*message, grpc::WriteOptions(), grpc::Status::OK, &on_finished_);
    } else {
      stream_.Finish(ToGrpc(status), &on_finished_);
    }
  }

  void OnCancelled(absl::AnyInvocable<void()> callback) override {
    on_cancelled_callback_ = std::move(callback);
    if (cancelled_) {
      server_.loop_->Defer([this] { NotifyCancelled(); });
      ++pending_;
    }
  }

 private:
  // Forwards an operation's completion to a member function.
  class Op final : public Completion {
   public:
    Op(Call& call, void (Call::*handler)(bool)) : call_(call), handler_(handler) {}
    void OnComplete(bool ok) override { (call_.*handler_)(ok); }

   private:
    Call& call_;
    void (Call::*const handler_)(bool);
  };

  void Accepted(bool ok) {
    if (!ok) {  // The server is shutting down: nothing was accepted, and on_done_ never comes.
      delete this;
      return;
    }
    server_.RequestCall();
    ++server_.active_;
    pending_ = 1;  // on_done_
    deadline_ = ToMonotonic(context_.raw_deadline(), server_.loop_->now());
    for (RpcService* service : server_.services_) {
      if (service->Start(*this)) return;
    }
    Finish(absl::UnimplementedError(
               StrCat("no method ", method(), " on this server; server reflection lists them")),
           std::nullopt);
  }

  void ReadDone(bool ok) {
    auto done = std::exchange(read_done_, nullptr);
    if (!finished_ && done != nullptr) {
      if (ok) {
        std::move(done)(std::move(read_buffer_));
      } else {
        std::move(done)(std::nullopt);
      }
    }
    OperationEnded();
  }

  void Written(bool ok) {
    writing_.exchange(false);  // Acquires what Write has left, in whatever thread.
    auto done = std::exchange(write_done_, nullptr);
    if (deferred_finish_.has_value()) {
      auto [status, message] = *std::exchange(deferred_finish_, std::nullopt);
      Finish(std::move(status), std::move(message));
    } else if (done != nullptr) {
      std::move(done)(ok);
    }
    OperationEnded();
  }

  void Finished(bool /*ok*/) { OperationEnded(); }

  void Done(bool /*ok*/) {
    cancelled_ = context_.IsCancelled();
    if (cancelled_ && on_cancelled_callback_ != nullptr) {
      NotifyCancelled();
      return;
    }
    OperationEnded();
  }

  void NotifyCancelled() {
    auto callback = std::exchange(on_cancelled_callback_, nullptr);
    if (!finished_ && callback != nullptr) std::move(callback)();
    OperationEnded();
  }

  void OperationEnded() {
    if (--pending_ > 0 || !finished_ || deferred_finish_.has_value()) return;
    --server_.active_;
    delete this;
  }

  RpcServer& server_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  absl::Time deadline_ = absl::InfiniteFuture();
  grpc::ByteBuffer read_buffer_;
  absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> read_done_;
  absl::AnyInvocable<void(bool)> write_done_;
  absl::AnyInvocable<void()> on_cancelled_callback_;
  std::optional<std::pair<absl::Status, std::optional<grpc::ByteBuffer>>> deferred_finish_;
  // Operations that will still come back. Atomic: Write may come from a thread that isn't the
  // loop's.
  std::atomic<int> pending_ = 0;
  std::atomic<bool> writing_ = false;
  bool finished_ = false;
  bool cancelled_ = false;
  Op on_accepted_{*this, &Call::Accepted};
  Op on_read_{*this, &Call::ReadDone};
  Op on_written_{*this, &Call::Written};
  Op on_finished_{*this, &Call::Finished};
  Op on_done_{*this, &Call::Done};
};

RpcServer::RpcServer() : queue_(builder_.AddCompletionQueue()) {
  // Never undone: gRPC's own end, with the last of its objects, joins a thread that may be inside
  // an epoll_wait of ten seconds, and nobody should wait for that.
  grpc_init();
}

RpcServer::~RpcServer() = default;

void RpcServer::RequestCall() {
  new Call(*this);  // Owns itself, see Call.
}

absl::StatusOr<std::string> RpcServer::Open(const std::string& address, Loop& loop,
                                            std::vector<RpcService*> services) {
  constexpr std::string_view kUnix = "unix:";
  if (address.starts_with(kUnix)) {
    ASSIGN_OR_RETURN(path_lock_, PathLock::Take(address.substr(kUnix.size())));
  }
  loop_ = &loop;
  services_ = std::move(services);
  int port = 0;
  // gRPC shares a taken port silently unless told not to.
  builder_.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder_.SetMaxReceiveMessageSize(kDefaultMaxMessageBytes);
  builder_.SetMaxSendMessageSize(kDefaultMaxMessageBytes);
  builder_.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder_.RegisterAsyncGenericService(&generic_);
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr) {
    return absl::UnavailableError(StrCat(
        "can't listen on ", address, ": the port is taken or the address is not this machine's"));
  }
  for (int i = 0; i < kRequestedCalls; ++i) RequestCall();
  if (address.starts_with(kUnix)) return address;
  return StrCat(address.substr(0, address.rfind(':') + 1), port);
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  // gRPC itself does not wait for calls whose connection is gone, and they may still have
  // operations to start, which a queue that is shut down does not take.
  const auto all_gone = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ == 0; };
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&all_gone));
}

}  // namespace tiffin
