#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "boost/asio/awaitable.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/beast/core/tcp_stream.hpp"
#include "boost/beast/ssl/ssl_stream.hpp"
#include "boost/system/error_code.hpp"
#include "common/security/ssl_context.h"

namespace tiffin::gateway::http {

// What a connection reads and writes: TCP, or TLS on it. As Beast's streams, of which it is one by
// its names. Time limits are of all that is under way.
class Stream {
 public:
  using Tcp = boost::beast::tcp_stream;
  using executor_type = Tcp::executor_type;

  // Without a context: TCP. Shared with the server and its other connections.
  Stream(boost::asio::ip::tcp::socket socket, std::shared_ptr<security::SslContext> context)
      : context_(std::move(context)), tcp_(std::move(socket)) {
    if (context_ != nullptr) tls_.emplace(tcp_, *context_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  executor_type get_executor() { return tcp_.get_executor(); }
  // What is below TLS.
  Tcp& tcp() { return tcp_; }
  bool is_tls() const { return tls_.has_value(); }
  void expires_after(std::chrono::nanoseconds limit) { tcp_.expires_after(limit); }
  void expires_never() { tcp_.expires_never(); }

  // Before all else. There is nothing to do without TLS.
  boost::asio::awaitable<boost::system::error_code> Handshake();
  // Tells the client that nothing more comes; it may ask for more time than it has.
  boost::asio::awaitable<void> Finish();
  void close() { tcp_.close(); }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return tls_.has_value() ? tls_->async_read_some(buffers, std::forward<Token>(token))
                            : tcp_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return tls_.has_value() ? tls_->async_write_some(buffers, std::forward<Token>(token))
                            : tcp_.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  std::shared_ptr<security::SslContext> context_;
  Tcp tcp_;
  std::optional<boost::beast::ssl_stream<Tcp&>> tls_;
};

}  // namespace tiffin::gateway::http
