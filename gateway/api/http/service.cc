#include "gateway/api/http/service.h"

#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/http/reply.h"
#include "gateway/api/text.h"
#include "grpcpp/support/slice.h"

namespace tiffin::gateway::http {
namespace {

constexpr std::string_view kTimeoutField = "x-request-timeout";
constexpr size_t kMaxQuoted = 200;
constexpr size_t kMaxListed = 600;

// Infinite where the client says nothing.
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

absl::StatusOr<InputSet> TakeInputs(const Interface& target, const DecodedBody& body,
                                    ValueAllocator& allocator) {
  RETURN_IF_ERROR(body.status);
  std::vector<std::optional<Value>> values(target.inputs.size());
  for (const BodyInput& input : body.inputs) {
    ASSIGN_OR_RETURN(values[input.index], TakeInput(target.inputs[input.index], target.has_rows,
                                                    input.shape, AsBytes(input.bytes), allocator));
  }
  return CompleteInputs(target, std::move(values));
}

grpc::ByteBuffer ToBuffer(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

void AppendName(const std::string& name, std::string& list) {
  list += StrCat(list.empty() ? "" : ", ", Quote(name));
}

}  // namespace

Service::Service(Serving& serving, const Clock& clock) : serving_(serving), calls_(serving, clock) {
  for (const PlannedService& service : serving.services()) {
    for (const PlannedApi& api : service.apis) {
      routes_.emplace(StrCat("/", service.name, "/", api.name), Route{&api, InterfaceOf(&api)});
    }
  }
}

Handler::Answer Service::Take(Request request) {
  const std::string_view path = request.path();
  if (path == "/healthz") return TakeGet(request, &Service::Healthz);
  if (path == "/readyz") return TakeGet(request, &Service::Readyz);
  if (path == "/metrics") return TakeMetrics(request);
  const auto route = routes_.find(path);
  if (route == routes_.end()) {
    return Refusal(
        absl::NotFoundError(StrCat("there is no ", BoundedUtf8(path, kMaxQuoted),
                                   "; there are /healthz, /readyz, /metrics", RouteList())),
        0, std::nullopt);
  }
  if (request.method != "POST") {
    return Refusal(absl::InvalidArgumentError(StrCat(path, " is called by POST")), 405,
                   route->second.target, {{"allow", "POST"}});
  }
  return TakeInfer(request, route->second);
}

Handler::Answer Service::TakeInfer(const Request& request, const Route& route) {
  const absl::Time received = calls_.Now();
  const absl::StatusOr<absl::Duration> timeout = TimeoutOf(request);
  if (!timeout.ok()) return Refusal(timeout.status(), 0, route.target);
  return [this, &route, received, timeout = *timeout, body = DecodeBody(request, route.interface)](
             Exchange& exchange) { Infer(exchange, route, body, timeout, received); };
}

void Service::Infer(Exchange& exchange, const Route& route, const DecodedBody& body,
                    absl::Duration timeout, absl::Time received) {
  const Interface& target = route.interface;
  absl::StatusOr<InputSet> inputs = TakeInputs(target, body, serving_.allocator());
  if (!inputs.ok()) {
    if (body.http_status != 0) exchange.FailAs(body.http_status);
    calls_.Refuse(exchange, "", inputs.status(), route.target);
    return;
  }
  calls_.Start(
      exchange,
      {.target = route.target,
       .inputs = *std::move(inputs),
       .request_id = "",
       .timeout = timeout,
       .received = received,
       .encode = [&target](const std::vector<Value>& outputs) -> absl::StatusOr<grpc::ByteBuffer> {
         ASSIGN_OR_RETURN(const std::string text, EncodeReply(outputs, target));
         return ToBuffer(text);
       }});
}

Handler::Answer Service::TakeGet(const Request& request, void (Service::*answer)(Exchange&) const) {
  if (request.method == "GET" || request.method == "HEAD") {
    return [this, answer](Exchange& exchange) { (this->*answer)(exchange); };
  }
  return Refusal(absl::InvalidArgumentError(StrCat(request.path(), " is asked by GET")), 405,
                 std::nullopt, {{"allow", "GET, HEAD"}});
}

Handler::Answer Service::Refusal(absl::Status status, int http_status,
                                 std::optional<InferTarget> target, std::vector<Field> fields) {
  return [this, status = std::move(status), http_status, target,
          fields = std::move(fields)](Exchange& exchange) {
    if (http_status != 0) exchange.FailAs(http_status, fields);
    calls_.Refuse(exchange, "", status, target);
  };
}

Handler::Answer Service::TakeMetrics(const Request& request) {
  if (request.method != "GET" && request.method != "HEAD") return TakeGet(request, nullptr);
  // On this thread: it reads files.
  return [text = serving_.MetricsText()](Exchange& exchange) mutable {
    exchange.Respond({.status = 200,
                      .fields = {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}},
                      .body = std::move(text)});
  };
}

void Service::Healthz(Exchange& exchange) const {
  exchange.Respond({.status = 200, .fields = {}, .body = "{\"alive\": true}\n"});
}

void Service::Readyz(Exchange& exchange) const {
  std::string waiting;
  bool ready = true;
  for (const PlannedService& service : serving_.services()) {
    if (serving_.ServiceReady(service.name)) continue;
    ready = false;
    AppendName(service.name, waiting);
  }
  // By their method `run`, or another: each runner once.
  std::string last;
  for (const RunnerEntry& entry : serving_.runners()) {
    const std::string name = StrCat(entry.service, ".", entry.runner);
    if (name == last || serving_.RunnerReady(entry.service, entry.runner)) continue;
    last = name;
    AppendName(name, waiting);
  }
  exchange.Respond({.status = ready ? 200 : 503,
                    .fields = {},
                    .body = ready
                                ? "{\"ready\": true}\n"
                                : StrCat("{\"ready\": false, \"not_ready\": [", waiting, "]}\n")});
}

std::string Service::RouteList() const {
  std::string list;
  for (const auto& [path, route] : routes_) list += StrCat(", POST ", path);
  return BoundedUtf8(list, kMaxListed);
}

}  // namespace tiffin::gateway::http
