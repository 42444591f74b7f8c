#include "common/async/rpc_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/async/rpc_call.h"
#include "common/async/streaming_call.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "grpc/grpc.h"

namespace tiffin {
namespace {

// Accepted in advance, so that a burst of calls doesn't wait for the loop to ask for the next.
constexpr size_t kRequestedCalls = 128;
// Of each unary method, however many there are.
constexpr size_t kLeastRequestedCalls = 8;

}  // namespace

// One of the completion queues, and the RPCs that came by it.
class RpcServer::Queue : public RpcCallHost {
 public:
  explicit Queue(std::unique_ptr<grpc::ServerCompletionQueue> queue) : queue_(std::move(queue)) {}

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
  Loop* loop_ = nullptr;  // Null until Open.
  std::vector<RpcService*> services_;
  int active_ = 0;

  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // Requested ones too.
};

RpcServer::RpcServer(size_t queues) {
  // Never undone: gRPC's own end, with the last of its objects, joins a thread that may be inside
  // an epoll_wait of ten seconds, and nobody should wait for that.
  grpc_init();
  for (size_t i = 0; i < queues; ++i) {
    queues_.push_back(std::make_unique<Queue>(builder_.AddCompletionQueue()));
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

absl::StatusOr<std::string> RpcServer::Open(
    const std::string& address, std::vector<QueueUser> users,
    const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  constexpr std::string_view kUnix = "unix:";
  if (users.size() != queues_.size()) {
    return absl::InternalError(
        StrCat("a server of ", queues_.size(), " queues with ", users.size(), " users"));
  }
  if (address.starts_with(kUnix)) {
    ASSIGN_OR_RETURN(path_lock_, PathLock::Take(address.substr(kUnix.size())));
  }
  std::vector<std::string> unary;
  for (const RpcService* service : users.front().services) {
    for (std::string& name : service->UnaryMethods()) unary.push_back(std::move(name));
  }
  unary_.emplace(std::move(unary));
  for (size_t i = 0; i < queues_.size(); ++i) queues_[i]->SetUser(std::move(users[i]));
  int port = 0;
  // gRPC shares a taken port silently unless told not to.
  builder_.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder_.SetMaxReceiveMessageSize(kDefaultMaxMessageBytes);
  builder_.SetMaxSendMessageSize(kDefaultMaxMessageBytes);
  builder_.AddListeningPort(address, credentials, &port);
  builder_.RegisterService(&*unary_);
  builder_.RegisterAsyncGenericService(&generic_);
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr) {
    return absl::UnavailableError(StrCat(
        "can't listen on ", address, ": the port is taken or the address is not this machine's"));
  }
  for (const auto& queue : queues_) queue->RequestCalls(*unary_, generic_);
  if (address.starts_with(kUnix)) return address;
  return StrCat(address.substr(0, address.rfind(':') + 1), port);
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  // gRPC itself does not wait for calls whose connection is gone, and they may still have
  // operations to start, which a queue that is shut down does not take.
  for (const auto& queue : queues_) queue->AwaitNone();
}

}  // namespace tiffin
