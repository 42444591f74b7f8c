#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "boost/asio/awaitable.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/string_body.hpp"
#include "common/async/loop.h"
#include "common/byte_budget.h"
#include "gateway/api/http/handler.h"
#include "gateway/api/http/head.h"
#include "gateway/api/http/limits.h"
#include "gateway/api/http/stream.h"

namespace tiffin::gateway::http {

// One client's connection: its requests one after the other, in order, however many the client has
// sent ahead. Owned by the server, on whose thread all of it happens. Keeps itself until it has
// ended, as the exchange that it waits for may be in a loop.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // What all connections have together.
  struct Budgets {
    const ByteBudget& bodies;
    const ByteBudget& answers;
  };
  // `rotation` says where each request goes; it and the budgets outlive it. Without `tls`, it is
  // not encrypted.
  Connection(boost::asio::ip::tcp::socket socket, std::shared_ptr<security::SslContext> tls,
             Rotation& rotation, const Budgets& budgets, const Limits& limits);

  // `ended` is called when the connection is closed and nothing of it is left in a loop.
  void Start(absl::AnyInvocable<void()> ended);
  // After the answer under way; at once if there is none.
  void CloseWhenIdle();
  // After the first answer.
  void CloseAfterOne() { keeps_ = false; }
  // Cancels the request under way.
  void Close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  boost::asio::awaitable<void> Run();
  boost::asio::awaitable<bool> Handshake();
  // None: there is no whole request, and no connection any more.
  boost::asio::awaitable<std::optional<Request>> ReadRequest();
  boost::asio::awaitable<bool> ReadHeader();
  // What the rules of HTTP refuse.
  boost::asio::awaitable<bool> CheckHead(const Request& request);
  boost::asio::awaitable<bool> ReadBody();
  boost::asio::awaitable<bool> ReadContent();
  // In place of a body that is coded.
  boost::asio::awaitable<bool> DecodeContent();
  // Says what was wrong with it; no request can follow.
  boost::asio::awaitable<void> Refuse(int status, std::string_view message);
  boost::asio::awaitable<void> RefuseForSpace();
  boost::asio::awaitable<Response> Answer(Request request);
  // Returns when the client is gone. Keeps what it sends ahead, and looks no further when that is
  // much.
  boost::asio::awaitable<void> AwaitPeerGone();
  // False: the client is gone.
  boost::asio::awaitable<bool> Write(Response response, bool keep_alive);
  // Lets a client that is still sending read the answer before the connection is reset.
  boost::asio::awaitable<void> Linger();

  Stream stream_;
  Rotation& rotation_;
  const Budgets budgets_;
  const Limits limits_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  Head head_;
  ByteBudget::Share share_;             // Of the body that is read.
  std::shared_ptr<Exchange> exchange_;  // Under way, on loop_.
  Loop* loop_ = nullptr;
  std::optional<Response> response_;   // Of exchange_.
  boost::asio::steady_timer replied_;  // Due when response_ is there.
  bool idle_ = true;
  bool closing_ = false;
  bool keeps_ = true;
  bool unread_ = false;  // The request's body was not wanted.
  bool head_only_ = false;
  unsigned version_ = 11;
};

}  // namespace tiffin::gateway::http
