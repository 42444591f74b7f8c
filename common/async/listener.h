#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/async/connections.h"
#include "common/async/path_lock.h"
#include "common/unique_fd.h"
#include "grpcpp/server_builder.h"

namespace tiffin {

// Accepts connections for a gRPC server, on a thread of its own. gRPC 1.51's own listener has no
// limit, and is deaf for good once a connection has found the process without a free descriptor.
// This one closes what is one too many, and waits for a descriptor.
class Listener {
 public:
  using Acceptor = grpc::experimental::ExternalConnectionAcceptor;

  struct Options {
    int max_connections = 0;
    // None where connections are encrypted: there is nothing to be seen yet (decrypted.h).
    std::optional<Http2Guard::Limits> guard;
    // Called on the thread, when a connection was turned away.
    absl::AnyInvocable<void()> turned_away;
    // Called on the thread, now and then, at least this often.
    absl::AnyInvocable<void()> tick;
    absl::Duration tick_interval = absl::Seconds(1);
  };

  // Binds "HOST:PORT" (port 0 picks one; "[::]" takes IPv4 too) or "unix:PATH", which a lock on
  // PATH.lock guards. UNAVAILABLE if the address is taken, INVALID_ARGUMENT if it is none.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const std::string& address);
  ~Listener();

  // With its real port.
  const std::string& address() const { return address_; }
  // Once. `acceptor` outlives it.
  void Start(Acceptor& acceptor, Options options);
  // Closes the address. Before the server shuts down.
  void Stop();

  int connections() const { return *count_; }

 private:
  Listener();
  absl::Status BindPath(const std::string& path);
  absl::Status BindPort(const std::string& address);
  void Run();
  // False: there is no descriptor for another one.
  bool AcceptAll(int socket);

  std::string address_;
  std::string path_;  // Of a Unix socket.
  std::optional<PathLock> path_lock_;
  std::vector<UniqueFd> sockets_;
  UniqueFd wake_;
  const connections::Count count_;
  Acceptor* acceptor_ = nullptr;  // From Start on.
  Options options_;
  std::thread thread_;  // Last: it uses all of this.
};

}  // namespace tiffin
