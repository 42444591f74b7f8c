#include "gateway/top/http_get.h"

#include <chrono>
#include <memory>
#include <optional>

#include "boost/asio/connect.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/ssl/host_name_verification.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/core/tcp_stream.hpp"
#include "boost/beast/http/empty_body.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/read.hpp"
#include "boost/beast/http/string_body.hpp"
#include "boost/beast/http/write.hpp"
#include "boost/beast/ssl/ssl_stream.hpp"
#include "common/security/ssl_context.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway::top {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kTlsScheme = "https://";
constexpr uint64_t kMaxBody = uint64_t{64} << 20;

// One request and its answer, on a context that runs until both are over.
class Get {
 public:
  // `tls` outlives it; null: none.
  Get(asio::io_context& context, const Url& url, security::SslContext* tls,
      const security::ClientSecurity& security)
      : stream_(context), resolver_(context) {
    if (tls != nullptr)
      UseTls(*tls, security.server_name.empty() ? url.host : security.server_name);
    if (!security.token.empty()) {
      request_.set(beast::http::field::authorization, security::Authorization(security.token));
    }
    request_.method(beast::http::verb::get);
    request_.target(url.path);
    request_.version(11);
    request_.set(beast::http::field::host, AuthorityOf(url));
    request_.set(beast::http::field::connection, "close");
    parser_.body_limit(kMaxBody);
    resolver_.async_resolve(url.host, url.port, [this](error_code error, const auto& endpoints) {
      if (Failed(error)) return;
      stream_.async_connect(endpoints, [this](error_code connected, const auto&) {
        if (Failed(connected)) return;
        if (!tls_.has_value()) return Send(stream_);
        tls_->async_handshake(asio::ssl::stream_base::client, [this](error_code safe) {
          if (!Failed(safe)) Send(*tls_);
        });
      });
    });
  }

  // Empty: it did not end.
  std::optional<error_code> error() const { return error_; }
  const auto& response() const { return parser_.get(); }

 private:
  bool Failed(error_code error) {
    if (error) error_ = error;
    return static_cast<bool>(error);
  }
  void UseTls(security::SslContext& context, const std::string& name) {
    tls_.emplace(stream_, context);
    SSL_set_tlsext_host_name(tls_->native_handle(), name.c_str());
    tls_->set_verify_callback(asio::ssl::host_name_verification(name));
  }
  void Send(auto& stream) {
    beast::http::async_write(stream, request_, [this, &stream](error_code written, size_t) {
      if (Failed(written)) return;
      beast::http::async_read(stream, buffer_, parser_,
                              [this](error_code read, size_t) { error_ = read; });
    });
  }

  beast::tcp_stream stream_;
  std::optional<beast::ssl_stream<beast::tcp_stream&>> tls_;
  asio::ip::tcp::resolver resolver_;
  beast::http::request<beast::http::empty_body> request_;
  beast::flat_buffer buffer_;
  beast::http::response_parser<beast::http::string_body> parser_;
  std::optional<error_code> error_;
};

}  // namespace

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(StrCat(
        "'", text, "' is not the URL of a server's HTTP; write it as http://127.0.0.1:8000, or ",
        "https:// where it has TLS"));
  };
  const bool tls = text.starts_with(kTlsScheme);
  if (!tls && !text.starts_with(kScheme)) return bad();
  std::string authority = text.substr(tls ? kTlsScheme.size() : kScheme.size());
  Url url{.tls = tls, .host = "", .port = tls ? "443" : "80", .path = "/metrics"};
  if (const size_t slash = authority.find('/'); slash != std::string::npos) {
    if (slash + 1 < authority.size()) url.path = authority.substr(slash);
    authority.resize(slash);
  }
  const size_t bracket = authority.rfind(']');  // [::1]:8000
  const size_t colon = authority.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) {
    url.port = authority.substr(colon + 1);
    authority.resize(colon);
  }
  if (bracket != std::string::npos && authority.size() > 2) {
    authority = authority.substr(1, authority.size() - 2);
  }
  url.host = authority;
  const bool is_number = url.port.find_first_not_of("0123456789") == std::string::npos;
  if (url.host.empty() || url.port.empty() || url.port.size() > 5 || !is_number) return bad();
  return url;
}

std::string AuthorityOf(const Url& url) {
  const bool is_v6 = url.host.find(':') != std::string::npos;
  return StrCat(is_v6 ? "[" : "", url.host, is_v6 ? "]" : "", ":", url.port);
}

absl::StatusOr<std::string> HttpGet(const Url& url, absl::Duration timeout,
                                    const security::ClientSecurity& security) {
  const std::string where = StrCat(url.tls ? kTlsScheme : kScheme, AuthorityOf(url), url.path);
  std::shared_ptr<security::SslContext> tls;
  if (url.tls) {
    ASSIGN_OR_RETURN(tls, security::ClientContext(security.certificates));
  }
  asio::io_context context;
  Get get(context, url, tls.get(), security);
  context.run_for(absl::ToChronoNanoseconds(timeout));
  if (!get.error().has_value()) {
    return absl::UnavailableError(
        StrCat(where, " did not answer within ", absl::FormatDuration(timeout)));
  }
  if (*get.error()) {
    const bool no_http = get.error()->category() ==
                         beast::http::make_error_code(beast::http::error::bad_version).category();
    return absl::UnavailableError(
        no_http ? StrCat(where,
                         " does not speak HTTP/1; is it the port of gRPC? Give the address "
                         "that 'tiffin serve' was given by --http-address")
                : StrCat("nobody answers at ", where, " (", get.error()->message(),
                         "); is the server up, and was 'tiffin serve' given --http-address?"));
  }
  if (get.response().result_int() == 401 || get.response().result_int() == 403) {
    return absl::UnauthenticatedError(
        StrCat(where, " wants a token that is for /metrics or *, by --token-file FILE or the ",
               "variable TIFFIN_TOKEN"));
  }
  if (get.response().result_int() != 200) {
    return absl::FailedPreconditionError(StrCat(
        where, " answers with status ", get.response().result_int(), "; is it a Tiffin server?"));
  }
  return get.response().body();
}

}  // namespace tiffin::gateway::top
