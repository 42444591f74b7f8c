#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/async/rpc.h"
#include "common/async/watcher.h"
#include "common/log/throttle.h"
#include "common/shm/descriptor_socket.h"
#include "worker/runtime/descriptor_acceptor.h"
#include "worker/runtime/session.h"

namespace tiffin::worker {

// What a worker serves: sessions, and grpc.health.v1 (Check: `liveness`, its heartbeat; "": ready).
// On the loop's thread.
class WorkerServer : public RpcService {
 public:
  // `parts` outlives the server.
  explicit WorkerServer(WorkerParts& parts) : parts_(parts), refused_(parts.loop.clock()) {}

  // Begins the heartbeat, and opens the descriptor socket, if there is one (the path isn't empty).
  // To be called after the gRPC socket is open: the path's appearance tells the gateway that both
  // are.
  absl::Status Listen(std::string descriptor_path);
  bool Start(Rpc& rpc) override;
  // Ends all sessions and closes the descriptor socket.
  void Close();

 private:
  // UNAUTHENTICATED or PERMISSION_DENIED, of who must not attach.
  absl::Status Admit(const Rpc& rpc) const;
  // Says so in the log, now and then.
  void Refuse(Rpc& rpc, absl::Status why);
  void Attach(Rpc& rpc);
  void Check(Rpc& rpc);
  void Beat();
  // From a socket that came in to the session it greets; whichever comes first waits for the other.
  void OnSocket(shm::DescriptorSocket socket);
  void OnGreeting(uint64_t socket_key, const shm::Announcement& greeting);
  void Match(uint64_t session);

  struct Greeting {
    std::shared_ptr<shm::DescriptorSocket> socket;
    std::unique_ptr<Watcher::Watch> watch;
  };

  WorkerParts& parts_;
  std::list<std::unique_ptr<Session>> sessions_;
  std::unique_ptr<DescriptorAcceptor> acceptor_;
  // Sockets that have not greeted yet, and those whose session is not known yet.
  std::map<uint64_t, Greeting> greeting_;
  std::map<uint64_t, shm::DescriptorSocket> unclaimed_;
  uint64_t next_socket_ = 0;
  log::Throttle refused_;
  Loop::Timer beat_;
};

}  // namespace tiffin::worker
