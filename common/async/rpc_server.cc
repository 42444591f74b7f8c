#include "common/async/rpc_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/allocator/allocator.h"
#include "common/async/decrypted.h"
#include "common/async/rpc_call.h"
#include "common/async/streaming_call.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "grpc/grpc.h"
#include "grpcpp/resource_quota.h"

namespace tiffin {
namespace {

// Accepted in advance, so that a burst of calls doesn't wait for the loop to ask for the next.
constexpr size_t kRequestedCalls = 128;
// Of each unary method, however many there are.
constexpr size_t kLeastRequestedCalls = 8;
// How much longer than it may be a header is read, so that its RPC can be told.
constexpr uint32_t kHeaderSlack = 16;
constexpr double kLeastCheapFrames = 1000;
constexpr absl::Duration kTick = absl::Seconds(5);
constexpr absl::Duration kClientsPings = absl::Seconds(10);

}  // namespace

// One of the completion queues, and the RPCs that came by it.
class RpcServer::Queue : public RpcCallHost {
 public:
  Queue(std::unique_ptr<grpc::ServerCompletionQueue> queue, UnsentAnswers& unsent)
      : queue_(std::move(queue)), unsent_(unsent) {}

  // Before the server starts.
  void SetUser(QueueUser user) {
    loop_ = &user.loop;
    services_ = std::move(user.services);
  }

  void RequestCalls(UnaryMethods& unary, grpc::AsyncGenericService& generic) {
    // Each is an owner of itself, and asks for the next one.
    for (size_t i = 0; i < kRequestedCalls; ++i) new StreamingCall(*this, generic);
    for (size_t method = 0; method < unary.size(); ++method) {
      const size_t share = std::max(kRequestedCalls / unary.size(), kLeastRequestedCalls);
      for (size_t i = 0; i < share; ++i) new UnaryCall(*this, unary, method);
    }
  }

  void AwaitNone() {
    const auto all_gone = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ == 0; };
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&all_gone));
  }

  int active() const { return active_; }

  Loop& loop() override { return *loop_; }
  grpc::ServerCompletionQueue& queue() override { return *queue_; }
  UnsentAnswers& unsent() override { return unsent_; }

  void OnAccepted(Rpc& rpc) override {
    ++active_;
    for (RpcService* service : services_) {
      if (service->Start(rpc)) return;
    }
    rpc.Finish(absl::UnimplementedError(StrCat("no method ", rpc.method(),
                                               " on this server; server reflection lists them")),
               std::nullopt);
  }
  void OnFinished() override { --active_; }

  void OnCreated() override {
    const absl::MutexLock lock(&mutex_);
    ++calls_;
  }
  void OnDestroyed() override {
    const absl::MutexLock lock(&mutex_);
    --calls_;
  }

 private:
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  UnsentAnswers& unsent_;
  Loop* loop_ = nullptr;  // Null until Open.
  std::vector<RpcService*> services_;
  int active_ = 0;

  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // Requested ones too.
};

RpcServer::RpcServer(size_t queues, const RpcLimits& limits)
    : limits_(limits),
      unsent_({.bytes = limits.max_unsent_bytes, .time = limits.send}),
      turned_away_([] {}) {
  // Never undone: gRPC's own end, with the last of its objects, joins a thread that may be inside
  // an epoll_wait of ten seconds, and nobody should wait for that.
  grpc_init();
  for (size_t i = 0; i < queues; ++i) {
    queues_.push_back(std::make_unique<Queue>(builder_.AddCompletionQueue(), unsent_));
  }
}

RpcServer::~RpcServer() = default;

grpc::ServerCompletionQueue& RpcServer::queue(size_t index) { return queues_[index]->queue(); }

int RpcServer::active(size_t queue) const { return queues_[queue]->active(); }

absl::StatusOr<std::string> RpcServer::Open(const std::string& address, Loop& loop,
                                            std::vector<RpcService*> services) {
  std::vector<QueueUser> users;
  users.push_back({.loop = loop, .services = std::move(services)});
  return Open(address, std::move(users));
}

absl::StatusOr<std::string> RpcServer::Open(const std::string& address,
                                            std::vector<QueueUser> users,
                                            std::shared_ptr<grpc::ServerCredentials> encryption) {
  if (users.size() != queues_.size()) {
    return absl::InternalError(
        StrCat("a server of ", queues_.size(), " queues with ", users.size(), " users"));
  }
  ASSIGN_OR_RETURN(listener_, Listener::Bind(address));
  std::vector<std::string> unary;
  for (const RpcService* service : users.front().services) {
    for (std::string& name : service->UnaryMethods()) unary.push_back(std::move(name));
  }
  unary_.emplace(std::move(unary));
  for (size_t i = 0; i < queues_.size(); ++i) queues_[i]->SetUser(std::move(users[i]));
  const bool encrypted = encryption != nullptr;
  RETURN_IF_ERROR(Build(encrypted ? std::move(encryption) : grpc::InsecureServerCredentials()));
  for (const auto& queue : queues_) queue->RequestCalls(*unary_, generic_);
  const Http2Guard::Limits guard{
      .header_bytes = static_cast<uint32_t>(limits_.max_metadata_bytes) * kHeaderSlack,
      .streams = limits_.max_streams,
      .cheap_frames = kLeastCheapFrames + 2.0 * limits_.max_streams};
  if (encrypted) decrypted::Guard(guard);
  listener_->Start(*acceptor_, {.max_connections = limits_.max_connections,
                                .guard = encrypted ? std::nullopt : std::optional(guard),
                                .turned_away = std::move(turned_away_),
                                .tick =
                                    [this] {
                                      unsent_.CancelLate(Clock::Monotonic().Now());
                                      // What a burst of messages leaves behind.
                                      ReturnFreeMemory();
                                    },
                                .tick_interval = std::min(limits_.send / 4, kTick)});
  return listener_->address();
}

absl::Status RpcServer::Build(std::shared_ptr<grpc::ServerCredentials> credentials) {
  const auto milliseconds = [](absl::Duration duration) {
    return static_cast<int>(absl::ToInt64Milliseconds(duration));
  };
  builder_.SetMaxReceiveMessageSize(limits_.max_message_bytes);
  builder_.SetMaxSendMessageSize(limits_.max_message_bytes);
  builder_.SetResourceQuota(
      grpc::ResourceQuota("clients").Resize(static_cast<size_t>(limits_.max_received_bytes)));
  builder_.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits_.max_streams);
  builder_.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, limits_.max_metadata_bytes);
  builder_.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              milliseconds(limits_.handshake));
  builder_.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(limits_.keepalive));
  builder_.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                              milliseconds(limits_.keepalive_answer));
  // Also of a connection without RPCs, again and again.
  builder_.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder_.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Clients may ask likewise.
  builder_.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              milliseconds(kClientsPings));
  acceptor_ = builder_.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      std::move(credentials));
  builder_.RegisterService(&*unary_);
  builder_.RegisterAsyncGenericService(&generic_);
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC made no server; its log says why");
  return absl::OkStatus();
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  listener_->Stop();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  // gRPC itself does not wait for calls whose connection is gone, and they may still have
  // operations to start, which a queue that is shut down does not take.
  for (const auto& queue : queues_) queue->AwaitNone();
}

}  // namespace tiffin
