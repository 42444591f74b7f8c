#include "gateway/api/http/service.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/access.h"
#include "gateway/api/http/answers.h"
#include "gateway/api/http/openapi.h"
#include "gateway/api/http/reply.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

constexpr size_t kMaxListed = 600;
constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

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

void AppendName(const std::string& name, std::string& list) {
  list += StrCat(list.empty() ? "" : ", ", Quote(name));
}

}  // namespace

const Service::GetRoute Service::kGetRoutes[] = {
    {"/healthz", "Whether the gateway's loop turns", "application/json", &Service::Healthz},
    {"/readyz", "Whether all services and runners are ready", "application/json", &Service::Readyz},
    {"/metrics", "What operators are told, in Prometheus' text format", "text/plain",
     &Service::Metrics, Answered::kByTheServer},
    {"/openapi.json", "This description", "application/json", &Service::OpenApi},
};

absl::StatusOr<std::unique_ptr<Service>> Service::Create(Serving& serving, const Clock& clock) {
  ASSIGN_OR_RETURN(kserve::ModelTable models,
                   kserve::ModelTable::Create(serving.services(), serving.runners(), &serving));
  return std::unique_ptr<Service>(new Service(serving, clock, std::move(models)));
}

Service::Service(Serving& serving, const Clock& clock, kserve::ModelTable models)
    : serving_(serving),
      models_(std::move(models)),
      calls_(serving, clock),
      kserve_(serving, models_, calls_, clock) {
  for (const PlannedService& service : serving.services()) {
    for (const PlannedApi& api : service.apis) {
      routes_.emplace(StrCat("/", service.name, "/", api.name), Route{&api, InterfaceOf(&api)});
    }
  }
  std::vector<DescribedGet> gets;
  for (const GetRoute& get : kGetRoutes) {
    gets.push_back({.path = get.path, .summary = get.summary, .content_type = get.content_type});
  }
  std::vector<DescribedApi> apis;
  for (const auto& [path, route] : routes_) {
    apis.push_back({.path = path, .interface = &route.interface});
  }
  openapi_ = OpenApiDocument(gets, apis, KserveRoutes::routes());
}

bool Service::WantsBody(const Request& head) {
  return serving_.tokens() == nullptr || IsOpenPath(head.path()) ||
         serving_.tokens()->Authenticate(head.field_values("authorization")).ok();
}

Handler::Answer Service::Take(Request request) {
  if (serving_.tokens() == nullptr || IsOpenPath(request.path())) {
    return TakeFrom(nullptr, std::move(request));
  }
  auto caller = serving_.tokens()->Authenticate(request.field_values("authorization"));
  if (!caller.ok()) return NotAuthenticated(calls_, caller.status(), request);
  Answer answer = TakeFrom(caller->get(), std::move(request));
  return [caller = *std::move(caller), answer = std::move(answer)](Exchange& exchange) mutable {
    exchange.SetCaller(std::move(caller));
    answer(exchange);
  };
}

Handler::Answer Service::TakeFrom(const Caller* caller, Request request) {
  const std::string_view path = request.path();
  for (const GetRoute& get : kGetRoutes) {
    if (path != get.path) continue;
    if (!IsGet(request)) return ToOtherMethod(calls_, request, "GET, HEAD");
    if (get.path == security::kMetrics) {
      if (absl::Status allowed = CheckAccess(caller, security::kMetrics); !allowed.ok()) {
        return Refusal(calls_, std::move(allowed));
      }
    }
    if (get.answered == Answered::kByTheServer) {
      return [response = (this->*get.answer)()](Exchange& exchange) mutable {
        exchange.Respond(std::move(response));
      };
    }
    return [this, &get](Exchange& exchange) { exchange.Respond((this->*get.answer)()); };
  }
  if (path == "*") return ToOtherMethod(calls_, request, "GET, HEAD, POST");
  const auto route = routes_.find(path);
  if (route == routes_.end()) {
    if (std::optional<Answer> answer = kserve_.Take(caller, request)) return *std::move(answer);
    for (const AbsentService& service : serving_.absent()) {
      if (!path.starts_with(StrCat("/", service.name, "/"))) continue;
      absl::Status why = CheckAccess(caller, service.name);
      return Refusal(calls_, why.ok() ? serving_.WhyAbsent(service.name) : std::move(why));
    }
    return Refusal(calls_, absl::NotFoundError(StrCat("there is no ", BoundedUtf8(path, kMaxQuoted),
                                                      "; there are ", RouteList())));
  }
  if (request.method != "POST") {
    return ToOtherMethod(calls_, request, "POST", route->second.target);
  }
  const auto& api = *std::get<const PlannedApi*>(route->second.target);
  if (absl::Status allowed = CheckAccess(caller, api.service); !allowed.ok()) {
    return Refusal(calls_, std::move(allowed), {.target = route->second.target});
  }
  return TakeInfer(request, route->second);
}

Handler::Answer Service::TakeInfer(const Request& request, const Route& route) {
  const absl::Time received = calls_.Now();
  const absl::StatusOr<absl::Duration> timeout = TimeoutOf(request);
  if (!timeout.ok()) return Refusal(calls_, timeout.status(), {.target = route.target});
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

Response Service::Healthz() const {
  return {.status = 200, .fields = {}, .body = "{\"alive\": true}\n"};
}

Response Service::Metrics() const {
  return {.status = 200,
          .fields = {},
          .body = serving_.MetricsText(),
          .content_type = std::string(kMetricsType)};
}

Response Service::Readyz() const {
  std::string waiting;
  bool ready = true;
  for (const PlannedService& service : serving_.services()) {
    if (serving_.ServiceReady(service.name)) continue;
    ready = false;
    AppendName(service.name, waiting);
  }
  for (const AbsentService& service : serving_.absent()) {
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
  return {.status = ready ? 200 : 503,
          .fields = {},
          .body = ready ? "{\"ready\": true}\n"
                        : StrCat("{\"ready\": false, \"not_ready\": [", waiting, "]}\n")};
}

Response Service::OpenApi() const { return {.status = 200, .fields = {}, .body = openapi_}; }

std::string Service::RouteList() const {
  std::string list;
  for (const GetRoute& get : kGetRoutes) list += StrCat(list.empty() ? "" : ", ", get.path);
  for (const auto& [path, route] : routes_) list += StrCat(", POST ", path);
  return StrCat(BoundedUtf8(list, kMaxListed), ", and /v2");
}

}  // namespace tiffin::gateway::http
