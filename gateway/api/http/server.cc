#include "gateway/api/http/server.h"

#include <chrono>
#include <utility>

#include "boost/asio/ip/v6_only.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/write.hpp"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/http/connection.h"

namespace tiffin::gateway::http {
namespace {

namespace asio = boost::asio;
using boost::asio::ip::tcp;
using boost::system::error_code;

// Out of descriptors, say.
constexpr std::chrono::milliseconds kAcceptPause(100);

// To a connection that is one too many; whether it arrives is not waited for.
void TurnAway(tcp::socket socket) {
  const std::string body = ErrorBody("the server has as many connections as it takes; try again");
  const std::string answer = StrCat(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n",
      "Content-Length: ", body.size(), "\r\n\r\n", body);
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(answer), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

std::string ToText(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return StrCat(endpoint.address().is_v6() ? StrCat("[", host, "]") : host, ":", endpoint.port());
}

}  // namespace

Server::Server(const Limits& limits)
    : limits_(limits), bodies_(limits.max_bodies_bytes), answers_(limits.max_answers_bytes) {}

Server::~Server() = default;

absl::StatusOr<std::string> Server::Open(const std::string& address, std::vector<LoopHandler> loops,
                                         const security::ServerTls* tls) {
  rotation_.emplace(std::move(loops));
  if (tls != nullptr) tls_.emplace(*tls);
  RETURN_IF_ERROR(Listen(address));
  const std::string bound = ToText(acceptor_.local_endpoint());
  work_.emplace(context_.get_executor());
  Accept();
  thread_ = std::thread([this] { context_.run(); });
  return bound;
}

absl::Status Server::Listen(const std::string& address) {
  const size_t colon = address.rfind(':');
  const auto wrong = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        StrCat("--http-address '", address, "': ", why, "; write HOST:PORT, as 127.0.0.1:8000"));
  };
  if (colon == std::string::npos || colon == 0) return wrong("not HOST:PORT");
  std::string host = address.substr(0, colon);
  const std::string port = address.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos ||
      std::stoi(port) > 65'535) {
    return wrong("no port");
  }
  error_code error;
  tcp::resolver resolver(context_);
  const auto found = resolver.resolve(host, port, tcp::resolver::numeric_service, error);
  if (error || found.empty()) return wrong("no such host");
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      StrCat("can't listen for HTTP on ", address, ": ", error.message(), "; is it taken?"));
}

void Server::Accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (closing_) return;
    if (!error) {
      Add(std::move(socket));
      Accept();
      return;
    }
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code /*cancelled*/) {
      if (!closing_) Accept();
    });
  });
}

void Server::Add(tcp::socket socket) {
  if (connections_.size() >= static_cast<size_t>(limits_.max_connections)) {
    if (!tls_.has_value()) TurnAway(std::move(socket));
    return;
  }
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const Connection::Budgets budgets{.bodies = bodies_, .answers = answers_};
  auto connection = std::make_shared<Connection>(
      std::move(socket), tls_.has_value() ? tls_->Next() : nullptr, *rotation_, budgets, limits_);
  if (draining_) connection->CloseAfterOne();
  connections_.insert(connection);
  connection->Start([this, connection] {
    connections_.erase(connection);
    if (closing_ && connections_.empty()) grace_.cancel();
  });
}

void Server::Drain() {
  asio::post(context_, [this] {
    draining_ = true;
    for (const auto& connection : connections_) connection->CloseWhenIdle();
  });
}

void Server::Shutdown(absl::Duration grace) {
  if (!thread_.joinable()) return;
  asio::post(context_, [this, grace] { CloseAll(grace); });
  thread_.join();
}

void Server::CloseAll(absl::Duration grace) {
  closing_ = true;
  work_.reset();
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (const auto& connection : connections_) connection->CloseWhenIdle();
  if (connections_.empty()) return;
  grace_.expires_after(absl::ToChronoNanoseconds(grace));
  // The context ends with the last connection.
  grace_.async_wait([this](error_code /*cancelled*/) {
    for (const auto& connection : connections_) connection->Close();
  });
}

}  // namespace tiffin::gateway::http
