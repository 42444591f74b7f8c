#include "gateway/api/http/stream.h"

#include "boost/asio/as_tuple.hpp"
#include "boost/asio/use_awaitable.hpp"

namespace tiffin::gateway::http {
namespace {

constexpr auto kAwait = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace

boost::asio::awaitable<boost::system::error_code> Stream::Handshake() {
  if (!tls_.has_value()) co_return boost::system::error_code();
  const auto [error] =
      co_await tls_->async_handshake(boost::asio::ssl::stream_base::server, kAwait);
  co_return error;
}

boost::asio::awaitable<void> Stream::Finish() {
  if (!tls_.has_value()) co_return;
  co_await tls_->async_shutdown(kAwait);
}

}  // namespace tiffin::gateway::http
