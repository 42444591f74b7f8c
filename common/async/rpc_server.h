#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "common/async/path_lock.h"
#include "common/async/rpc.h"
#include "common/async/rpc_call.h"
#include "common/async/unary_call.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace tiffin {

inline constexpr int kDefaultMaxMessageBytes = 256 << 20;

// A gRPC server whose methods are found by name at run time, on one completion queue that its
// owner's Loop polls and shares with everything else. The queue exists before the port is opened.
// Shutdown first, then destruction, after the loop has ended.
class RpcServer : private RpcCallHost {
 public:
  RpcServer();
  ~RpcServer() override;

  // For the owner's Loop.
  grpc::ServerCompletionQueue& queue() override { return *queue_; }

  // Opens `address` ("127.0.0.1:8001", port 0 picks one; "unix:/path") and offers each RPC to the
  // services in turn; UNIMPLEMENTED if none takes it. `loop` polls queue(). To be called once, on
  // the loop's thread. Returns the address with its real port. UNAVAILABLE if the address is taken;
  // a Unix path is guarded by a lock on PATH.lock, for gRPC would take it over from a living
  // server.
  absl::StatusOr<std::string> Open(const std::string& address, Loop& loop,
                                   std::vector<RpcService*> services);

  // Closes the port, waits `grace` for RPCs under way, then cancels the rest and waits until they
  // are finished. Blocks: from any thread but the loop's, which must still run.
  void Shutdown(absl::Duration grace);

  // RPCs taken and not finished. On the loop's thread.
  int active() const { return active_; }

 private:
  Loop& loop() override { return *loop_; }
  void OnAccepted(Rpc& rpc) override;
  void OnFinished() override { --active_; }
  void OnCreated() override;
  void OnDestroyed() override;

  std::optional<UnaryMethods> unary_;  // From Open on.
  grpc::AsyncGenericService generic_;  // For all other methods.
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::optional<PathLock> path_lock_;
  std::unique_ptr<grpc::Server> server_;
  Loop* loop_ = nullptr;  // Null until Open.
  std::vector<RpcService*> services_;
  int active_ = 0;

  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // Requested ones too.
};

}  // namespace tiffin
