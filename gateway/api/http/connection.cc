#include "gateway/api/http/connection.h"

#include <chrono>
#include <exception>
#include <string>
#include <utility>
#include <variant>

#include "absl/time/time.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/experimental/awaitable_operators.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "boost/beast/core/ostream.hpp"
#include "boost/beast/http/empty_body.hpp"
#include "boost/beast/http/read.hpp"
#include "boost/beast/http/write.hpp"
#include "common/log/log.h"
#include "common/strings.h"

namespace tiffin::gateway::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::asio::awaitable;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// Of requests that a client sends ahead of an answer.
constexpr size_t kMaxAhead = 64 << 10;
constexpr size_t kReadSize = 16 << 10;
// All connections may have one of these at the same time.
constexpr size_t kSmallAnswer = 64 << 10;
constexpr std::chrono::seconds kLinger(2);

std::chrono::nanoseconds Chrono(absl::Duration duration) {
  return absl::ToChronoNanoseconds(duration);
}

// What a client sent is not HTTP; other errors are the connection's.
bool IsMalformed(error_code error) {
  return error.category() ==
         beast::http::make_error_code(beast::http::error::end_of_stream).category();
}

std::string Lower(beast::string_view text) {
  return ToLower(std::string_view(text.data(), text.size()));
}

// Without its body.
Request HeadOf(const beast::http::request<beast::http::string_body>& message) {
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) {
    request.fields.push_back({Lower(field.name_string()), std::string(field.value())});
  }
  return request;
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, std::shared_ptr<security::SslContext> tls,
                       Rotation& rotation, const Budgets& budgets, const Limits& limits)
    : stream_(std::move(socket), std::move(tls)),
      rotation_(rotation),
      budgets_(budgets),
      limits_(limits),
      buffer_(limits.max_header_bytes + kMaxAhead + kReadSize),
      replied_(stream_.get_executor(), asio::steady_timer::time_point::max()) {}

void Connection::Start(absl::AnyInvocable<void()> ended) {
  asio::co_spawn(
      stream_.get_executor(), Run(),
      [self = shared_from_this(), ended = std::move(ended)](std::exception_ptr failure) mutable {
        if (failure != nullptr) std::rethrow_exception(failure);  // A bug: nothing in it throws.
        ended();
      });
}

void Connection::CloseWhenIdle() {
  closing_ = true;
  if (idle_) stream_.close();
}

void Connection::Close() {
  closing_ = true;
  if (exchange_ != nullptr) loop_->Post([exchange = exchange_] { exchange->Cancel(); });
  stream_.close();
}

awaitable<void> Connection::Run() {
  const bool is_safe = co_await Handshake();
  while (is_safe && !closing_) {
    idle_ = true;
    std::optional<Request> request = co_await ReadRequest();
    if (!request.has_value()) break;
    const bool keep_alive = parser_->keep_alive() && !unread_;
    Response response = co_await Answer(*std::move(request));
    const bool stays = keep_alive && keeps_ && !closing_;
    const bool written = co_await Write(std::move(response), stays);
    if (written && stays) continue;
    if (written && unread_) {
      co_await Linger();
    } else if (written) {
      stream_.expires_after(kLinger);
      co_await stream_.Finish();
    }
    break;
  }
  stream_.close();
}

awaitable<bool> Connection::Handshake() {
  if (!stream_.is_tls()) co_return true;
  stream_.expires_after(Chrono(limits_.header));
  const error_code error = co_await stream_.Handshake();
  if (error) {
    log::Write(log::Level::kDebug, "tls_handshake_failed",
               StrCat("HTTP: a client's TLS handshake failed: ", error.message()));
  }
  co_return !error;
}

awaitable<std::optional<Request>> Connection::ReadRequest() {
  parser_.emplace();
  parser_->header_limit(limits_.max_header_bytes);
  parser_->body_limit(limits_.max_body_bytes);
  while (buffer_.size() == 0) {
    stream_.expires_after(Chrono(limits_.idle));
    const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(kReadSize), kAwait);
    if (error) co_return std::nullopt;
    buffer_.commit(size);
  }
  idle_ = false;
  const bool has_header = co_await ReadHeader();
  if (!has_header) co_return std::nullopt;
  std::optional<Request> request = HeadOf(parser_->get());
  const bool is_well = co_await CheckHead(*request);
  if (!is_well) co_return std::nullopt;
  request->target = head_.target;
  unread_ = !parser_->is_done() && !rotation_.WantsBody(*request);
  if (unread_) co_return request;
  const bool has_body = co_await ReadBody();
  if (!has_body) co_return std::nullopt;
  request->body = std::move(parser_->get().body());
  co_return request;
}

awaitable<bool> Connection::ReadHeader() {
  stream_.expires_after(Chrono(limits_.header));
  const auto [error, size] =
      co_await beast::http::async_read_header(stream_, buffer_, *parser_, kAwait);
  head_only_ = !error && parser_->get().method() == beast::http::verb::head;
  version_ = error ? 11 : parser_->get().version();
  if (!error) co_return true;
  if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow) {
    co_await Refuse(431, StrCat("the request's header has more than ", limits_.max_header_bytes,
                                " bytes; make it shorter"));
  } else if (error == beast::http::error::body_limit) {
    co_await Refuse(413, StrCat("the body has more than ", limits_.max_body_bytes, " bytes"));
  } else if (IsMalformed(error) && error != beast::http::error::end_of_stream &&
             error != beast::http::error::partial_message) {
    const bool is_other = error == beast::http::error::bad_version;
    co_await Refuse(is_other ? 505 : 400,
                    StrCat("this is not an HTTP/1 request: ", error.message()));
  }
  co_return false;
}

awaitable<bool> Connection::CheckHead(const Request& request) {
  std::variant<Head, HeadError> head = ReadHead(request, version_);
  if (const auto* error = std::get_if<HeadError>(&head)) {
    co_await Refuse(error->status, error->message);
    co_return false;
  }
  head_ = std::get<Head>(std::move(head));
  co_return true;
}

awaitable<bool> Connection::ReadBody() {
  share_ = budgets_.bodies.Begin();
  if (parser_->is_done()) co_return true;
  if (!share_.Resize(parser_->content_length().value_or(0))) {
    co_await RefuseForSpace();
    co_return false;
  }
  stream_.expires_after(Chrono(limits_.body));
  if (head_.expects_continue) {
    beast::http::response<beast::http::empty_body> go_on(beast::http::status::continue_, version_);
    const auto [error, size] = co_await beast::http::async_write(stream_, go_on, kAwait);
    if (error) co_return false;
  }
  const bool has_content = co_await ReadContent();
  if (!has_content || head_.coding == ContentCoding::kIdentity) co_return has_content;
  const bool is_decoded = co_await DecodeContent();
  co_return is_decoded;
}

awaitable<bool> Connection::ReadContent() {
  parser_->eager(true);
  while (!parser_->is_done()) {
    const auto [error, size] =
        co_await beast::http::async_read_some(stream_, buffer_, *parser_, kAwait);
    if (error == beast::http::error::body_limit) {
      co_await Refuse(413, StrCat("the body has more than ", limits_.max_body_bytes, " bytes"));
      co_return false;
    }
    if (error) {
      if (IsMalformed(error)) {
        co_await Refuse(400,
                        StrCat("the request's body is cut short or malformed: ", error.message()));
      }
      co_return false;
    }
    // One that comes in chunks doesn't say its size before.
    if (!parser_->content_length() && !share_.Resize(parser_->get().body().size())) {
      co_await RefuseForSpace();
      co_return false;
    }
  }
  co_return true;
}

awaitable<bool> Connection::DecodeContent() {
  std::string& body = parser_->get().body();
  absl::StatusOr<std::string> content =
      Inflate(body, limits_.max_inflated_bytes,
              [&](uint64_t bytes) { return share_.Resize(body.size() + bytes); });
  if (content.ok()) {
    body = *std::move(content);
    share_.Resize(body.size());
    co_return true;
  }
  if (absl::IsResourceExhausted(content.status())) {
    co_await RefuseForSpace();
  } else {
    co_await Refuse(absl::IsOutOfRange(content.status()) ? 413 : 400, Message(content.status()));
  }
  co_return false;
}

awaitable<void> Connection::RefuseForSpace() {
  co_await Refuse(503,
                  StrCat("the bodies of all requests under way may have ", limits_.max_bodies_bytes,
                         " bytes together, and this one is too much; try again"));
}

awaitable<void> Connection::Refuse(int status, std::string_view message) {
  Response response;
  response.status = status;
  if (status == 503) response.fields.push_back({"retry-after", "1"});
  if (status == 415) response.fields.push_back({"accept-encoding", "gzip, deflate"});
  response.body = ErrorBody(message);
  parser_.reset();
  share_.Resize(0);
  const bool written = co_await Write(std::move(response), /*keep_alive=*/false);
  if (written) co_await Linger();
}

awaitable<Response> Connection::Answer(Request request) {
  using asio::experimental::awaitable_operators::operator||;
  stream_.expires_never();
  response_.reset();
  replied_.expires_at(asio::steady_timer::time_point::max());
  exchange_ = std::make_shared<Exchange>(
      std::string(request.path()), request.fields, [self = shared_from_this()](Response response) {
        asio::post(self->stream_.get_executor(), [self, response = std::move(response)]() mutable {
          self->response_ = std::move(response);
          self->replied_.expires_at(asio::steady_timer::time_point::min());
        });
      });
  const LoopHandler to = rotation_.Next();
  loop_ = &to.loop;
  loop_->Post([exchange = exchange_, answer = to.handler.Take(std::move(request)),
               share = std::move(share_)]() mutable { answer(*exchange); });
  const auto ended = co_await (replied_.async_wait(kAwait) || AwaitPeerGone());
  if (!response_.has_value()) {
    // Only the loop can let go of the exchange.
    if (ended.index() == 1) loop_->Post([exchange = exchange_] { exchange->Cancel(); });
    co_await replied_.async_wait(kAwait);
  }
  exchange_.reset();
  co_return *std::exchange(response_, std::nullopt);
}

awaitable<void> Connection::AwaitPeerGone() {
  while (buffer_.size() < kMaxAhead) {
    const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(kReadSize), kAwait);
    buffer_.commit(size);
    if (error) co_return;
  }
  // Waits for its own cancellation.
  asio::steady_timer never(stream_.get_executor(), asio::steady_timer::time_point::max());
  co_await never.async_wait(kAwait);
}

awaitable<bool> Connection::Write(Response response, bool keep_alive) {
  namespace http = beast::http;
  ByteBudget::Share unsent = budgets_.answers.Begin();
  if (response.body.size() > kSmallAnswer && !unsent.Resize(response.body.size())) {
    response = Response{};
    response.status = 503;
    response.fields.push_back({"retry-after", "1"});
    response.body = ErrorBody(StrCat("the answers that clients have not taken may have ",
                                     limits_.max_answers_bytes,
                                     " bytes together, and this one is too much; try again"));
  }
  stream_.expires_after(Chrono(limits_.write));
  http::response<http::string_body> message;
  message.version(version_);
  message.result(static_cast<unsigned>(response.status));
  if (response.status == 499) message.reason("Client Closed Request");
  if (!response.content_type.empty()) {
    message.set(http::field::content_type, response.content_type);
  }
  for (const Field& field : response.fields) message.insert(field.name, field.value);
  message.keep_alive(keep_alive);
  message.content_length(response.body.size());
  if (!head_only_) message.body() = std::move(response.body);
  http::response_serializer<http::string_body> serializer(message);
  const auto [error, size] = co_await http::async_write(stream_, serializer, kAwait);
  co_return !error;
}

awaitable<void> Connection::Linger() {
  error_code ignored;
  stream_.tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kLinger);
  while (true) {
    buffer_.clear();
    const auto [error, size] =
        co_await stream_.tcp().async_read_some(buffer_.prepare(kReadSize), kAwait);
    if (error) co_return;
  }
}

}  // namespace tiffin::gateway::http
