#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/async/listener.h"
#include "common/async/loop.h"
#include "common/async/rpc.h"
#include "common/async/rpc_limits.h"
#include "common/async/unary_call.h"
#include "common/async/unsent_answers.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace tiffin {

// A gRPC server whose methods are found by name at run time, on completion queues that its owner's
// Loops poll and share with everything else. An RPC belongs to one queue, and so to one loop, from
// its acceptance to its end. gRPC deals connections out to the queues in turns, and all RPCs of a
// connection go to its queue, unless so many come at once that another one has to help out. The
// queues exist before the port is opened. Shutdown first, then destruction, after the loops have
// ended.
class RpcServer {
 public:
  // What the RPCs of one queue are given to: offered to the services in turn, on the loop's thread.
  struct QueueUser {
    Loop& loop;  // Polls the queue.
    // The same protocols for each queue.
    std::vector<RpcService*> services;
  };

  explicit RpcServer(size_t queues = 1, const RpcLimits& limits = {});
  ~RpcServer();

  // For the owner's Loops.
  grpc::ServerCompletionQueue& queue(size_t index = 0);

  // Opens `address` ("127.0.0.1:8001", port 0 picks one; "unix:/path") and offers each RPC to the
  // services of its queue's user; UNIMPLEMENTED if none takes it. One user for each queue. To be
  // called once, on the thread of the loop of one of them. Returns the address with its real port.
  // UNAVAILABLE if the address is taken; a Unix path is guarded by a lock on PATH.lock, for gRPC
  // would take it over from a living server.
  absl::StatusOr<std::string> Open(const std::string& address, std::vector<QueueUser> users,
                                   std::shared_ptr<grpc::ServerCredentials> encryption = nullptr);
  // The same of a server with one queue.
  absl::StatusOr<std::string> Open(const std::string& address, Loop& loop,
                                   std::vector<RpcService*> services);

  // Closes the port, waits `grace` for RPCs under way, then cancels the rest and waits until they
  // are finished. Blocks: from any thread but the loops', which must still run.
  void Shutdown(absl::Duration grace);

  // Called, from Open on and from a thread of the server's own, when a connection was closed
  // because there are as many as there may be. Before Open.
  void OnTurnedAway(absl::AnyInvocable<void()> callback) { turned_away_ = std::move(callback); }

  // RPCs of a queue taken and not finished. On its loop's thread.
  int active(size_t queue = 0) const;

 private:
  class Queue;

  absl::Status Build(std::shared_ptr<grpc::ServerCredentials> credentials);

  const RpcLimits limits_;
  UnsentAnswers unsent_;
  absl::AnyInvocable<void()> turned_away_;
  std::optional<UnaryMethods> unary_;  // From Open on.
  grpc::AsyncGenericService generic_;  // For all other methods.
  grpc::ServerBuilder builder_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::unique_ptr<Listener::Acceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> listener_;  // After what it gives connections to.
};

}  // namespace tiffin
