#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"
#include "common/byte_budget.h"
#include "common/security/ssl_context.h"
#include "gateway/api/http/handler.h"
#include "gateway/api/http/limits.h"

namespace tiffin::gateway::http {

class Connection;

// HTTP/1.1 on a port and a thread of its own, which parses requests, hands them to the loops in
// turns, and writes the answers. Without Open it does nothing. Shutdown first, then destruction.
class Server {
 public:
  explicit Server(const Limits& limits = {});
  ~Server();

  // Listens on HOST:PORT (port 0 picks one), once. Returns the address with its real port.
  // INVALID_ARGUMENT if it is none, UNAVAILABLE if it is taken. The loops run until Shutdown has
  // returned. With `tls`, which outlives the server, clients have to speak TLS.
  absl::StatusOr<std::string> Open(const std::string& address, std::vector<LoopHandler> loops,
                                   const security::ServerTls* tls = nullptr);

  // Closes the connections without a request; the others, and new ones, after their next answer.
  // From any thread.
  void Drain();

  // Closes the port and the connections without a request, waits `grace` for the answers under way,
  // then cancels the rest. Blocks: from any thread but the loops', which must still run.
  void Shutdown(absl::Duration grace);

 private:
  absl::Status Listen(const std::string& address);
  void Accept();
  void Add(boost::asio::ip::tcp::socket socket);
  void CloseAll(absl::Duration grace);

  const Limits limits_;
  const ByteBudget bodies_;
  const ByteBudget answers_;

  // From here on only on the thread, once it runs.
  std::optional<Rotation> rotation_;  // Since Open.
  std::optional<security::ServerContexts> tls_;
  boost::asio::io_context context_{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  boost::asio::ip::tcp::acceptor acceptor_{context_};
  boost::asio::steady_timer pause_{context_};  // Between failed tries to accept.
  boost::asio::steady_timer grace_{context_};
  bool draining_ = false;
  bool closing_ = false;
  // Shared with their own coroutines, which may outlast a Close.
  std::set<std::shared_ptr<Connection>> connections_;
  std::thread thread_;  // Last: it runs the context.
};

}  // namespace tiffin::gateway::http
