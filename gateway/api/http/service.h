#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "gateway/api/http/body.h"
#include "gateway/api/http/handler.h"
#include "gateway/api/http/kserve_routes.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/interface.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/serving.h"

namespace tiffin::gateway::http {

// What the gateway answers over HTTP:
//   GET /healthz             200 as long as the loop turns
//   GET /readyz              200, or 503 with the services and runners that are not ready
//   GET /metrics             what operators are told, for Prometheus
//   GET /openapi.json        describes all of it
//   POST /<service>/<api>    runs the API
//   /v2...                   KServe v2, see KserveRoutes
// Owned by its loop, and outlives its exchanges. Take and WantsBody run on HTTP's thread, the
// answers on the loop's.
class Service : public Handler {
 public:
  // INVALID_ARGUMENT if names of the services clash. `serving`, whose services are known by now,
  // and `clock` outlive it.
  static absl::StatusOr<std::unique_ptr<Service>> Create(Serving& serving, const Clock& clock);

  bool WantsBody(const Request& head) override;
  Answer Take(Request request) override;

 private:
  struct Route {
    InferTarget target;
    Interface interface;
  };

  // In a turn of the loop's, or, for what reads files, by the thread of HTTP's server.
  enum class Answered { kInATurn, kByTheServer };
  // What is asked by GET, by path.
  struct GetRoute {
    std::string_view path;
    std::string_view summary;  // For /openapi.json.
    std::string_view content_type;
    Response (Service::*answer)() const;
    Answered answered = Answered::kInATurn;
  };
  static const GetRoute kGetRoutes[];

  Service(Serving& serving, const Clock& clock, kserve::ModelTable models);

  // Of a client who may be known; null where nobody asks.
  Answer TakeFrom(const Caller* caller, Request request);
  Answer TakeInfer(const Request& request, const Route& route);
  void Infer(Exchange& exchange, const Route& route, const DecodedBody& body,
             absl::Duration timeout, absl::Time received);
  Response Healthz() const;
  Response Readyz() const;
  Response Metrics() const;
  Response OpenApi() const;
  std::string RouteList() const;

  Serving& serving_;
  // Immutable: read on the server's thread too. By path.
  std::map<std::string, Route, std::less<>> routes_;
  const kserve::ModelTable models_;
  InferCalls calls_;
  KserveRoutes kserve_;
  std::string openapi_;
};

}  // namespace tiffin::gateway::http
