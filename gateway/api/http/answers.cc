#include "gateway/api/http/answers.h"

#include <optional>
#include <utility>

#include "common/strings.h"
#include "gateway/api/text.h"
#include "grpcpp/support/slice.h"

namespace tiffin::gateway::http {
namespace {

constexpr std::string_view kTimeoutField = "x-request-timeout";

}  // namespace

Handler::Answer Refusal(InferCalls& calls, absl::Status status, RefusalOptions options) {
  return [&calls, status = std::move(status), options = std::move(options)](Exchange& exchange) {
    if (options.http_status != 0) exchange.FailAs(options.http_status, options.fields);
    calls.Refuse(exchange, "", status, options.target);
  };
}

Handler::Answer ToOtherMethod(InferCalls& calls, const Request& request, std::string_view allowed,
                              std::optional<InferTarget> target) {
  std::vector<Field> allow = {{"allow", StrCat(allowed, ", OPTIONS")}};
  if (request.method == "OPTIONS") {
    return [allow = std::move(allow)](Exchange& exchange) {
      exchange.Respond({.status = 200, .fields = allow, .body = "", .content_type = ""});
    };
  }
  return Refusal(calls,
                 absl::InvalidArgumentError(StrCat(BoundedUtf8(request.path(), kMaxQuoted),
                                                   " is asked by ", allowed, ", not by ",
                                                   BoundedUtf8(request.method, kMaxQuoted))),
                 {.http_status = 405, .fields = std::move(allow), .target = target});
}

Handler::Answer NotAuthenticated(InferCalls& calls, absl::Status status, const Request& request) {
  // RFC 6750: an error only where a token was sent.
  const bool sent = request.field("authorization").has_value();
  std::vector<Field> fields = {
      {"www-authenticate",
       sent ? "Bearer realm=\"tiffin\", error=\"invalid_token\"" : "Bearer realm=\"tiffin\""}};
  return Refusal(calls, std::move(status), {.http_status = 401, .fields = std::move(fields)});
}

bool IsGet(const Request& request) { return request.method == "GET" || request.method == "HEAD"; }

absl::StatusOr<absl::Duration> TimeoutOf(const Request& request) {
  const std::optional<std::string_view> text = request.field(kTimeoutField);
  if (!text.has_value()) return absl::InfiniteDuration();
  absl::Duration timeout;
  if (!absl::ParseDuration(ToAbsl(*text), &timeout) || timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(StrCat(kTimeoutField, " is '", BoundedUtf8(*text, kMaxQuoted),
                                             "'; write how long, as in 500ms, 2s or 1.5s"));
  }
  return timeout;
}

grpc::ByteBuffer ToBuffer(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace tiffin::gateway::http
