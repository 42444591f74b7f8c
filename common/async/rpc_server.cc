#include "common/async/rpc_server.h"

#include <algorithm>
#include <optional>
#include <utility>

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

RpcServer::RpcServer() : queue_(builder_.AddCompletionQueue()) {
  // Never undone: gRPC's own end, with the last of its objects, joins a thread that may be inside
  // an epoll_wait of ten seconds, and nobody should wait for that.
  grpc_init();
}

RpcServer::~RpcServer() = default;

void RpcServer::OnAccepted(Rpc& rpc) {
  ++active_;
  for (RpcService* service : services_) {
    if (service->Start(rpc)) return;
  }
  rpc.Finish(absl::UnimplementedError(StrCat("no method ", rpc.method(),
                                             " on this server; server reflection lists them")),
             std::nullopt);
}

void RpcServer::OnCreated() {
  const absl::MutexLock lock(&mutex_);
  ++calls_;
}

void RpcServer::OnDestroyed() {
  const absl::MutexLock lock(&mutex_);
  --calls_;
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
  std::vector<std::string> unary;
  for (const RpcService* service : services_) {
    for (std::string& name : service->UnaryMethods()) unary.push_back(std::move(name));
  }
  unary_.emplace(std::move(unary));
  builder_.RegisterService(&*unary_);
  builder_.RegisterAsyncGenericService(&generic_);
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr) {
    return absl::UnavailableError(StrCat(
        "can't listen on ", address, ": the port is taken or the address is not this machine's"));
  }
  // Each is an owner of itself, and asks for the next one.
  for (size_t i = 0; i < kRequestedCalls; ++i) new StreamingCall(*this, generic_);
  for (size_t method = 0; method < unary_->size(); ++method) {
    const size_t share = std::max(kRequestedCalls / unary_->size(), kLeastRequestedCalls);
    for (size_t i = 0; i < share; ++i) new UnaryCall(*this, *unary_, method);
  }
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
