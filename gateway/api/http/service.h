#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/clock.h"
#include "gateway/api/http/body.h"
#include "gateway/api/http/handler.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/interface.h"
#include "gateway/api/serving.h"

namespace tiffin::gateway::http {

// What the gateway answers over HTTP:
//   GET /healthz             200 as long as the loop turns
//   GET /readyz              200, or 503 with the services and runners that are not ready
//   GET /metrics             what operators are told, for Prometheus
//   POST /<service>/<api>    runs the API
// Outlives its exchanges.
class Service : public Handler {
 public:
  // `serving`, whose services are known by now, and `clock` outlive it.
  Service(Serving& serving, const Clock& clock);

  Answer Take(Request request) override;

 private:
  struct Route {
    InferTarget target;
    Interface interface;
  };

  Answer TakeInfer(const Request& request, const Route& route);
  void Infer(Exchange& exchange, const Route& route, const DecodedBody& body,
             absl::Duration timeout, absl::Time received);
  Answer TakeGet(const Request& request, void (Service::*answer)(Exchange&) const);
  // Fails as `http_status`, or as the status's code says where that is 0.
  Answer Refusal(absl::Status status, int http_status, std::optional<InferTarget> target,
                 std::vector<Field> fields = {});
  Answer TakeMetrics(const Request& request);
  void Healthz(Exchange& exchange) const;
  void Readyz(Exchange& exchange) const;
  std::string RouteList() const;

  Serving& serving_;
  // Immutable: read on the server's thread too. By path.
  std::map<std::string, Route, std::less<>> routes_;
  InferCalls calls_;
};

}  // namespace tiffin::gateway::http
