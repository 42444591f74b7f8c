#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "gateway/api/api.h"
#include "gateway/api/http/service.h"
#include "gateway/api/serving.h"
#include "gateway/graph/bound_api.h"
#include "gateway/server/runner_target.h"
#include "gateway/server/serving_request.h"
#include "gateway/server/shared_serving.h"

namespace tiffin::gateway {

// What all generations of a loop have in common, and each needs.
class LoopServingHost : public RequestHost {
 public:
  // Null: the service has no such runner.
  virtual Runner* FindRunner(std::string_view service, std::string_view runner) = 0;
  virtual ValueAllocator& allocator() = 0;
  virtual void AddReadinessListener(absl::AnyInvocable<void()> changed) = 0;
};

// One generation of what is served, as one loop has it: graphs that are ready to run there, and the
// protocols in front of them. Owned by a ServingLoop, which keeps it as long as that lives, for
// requests and streams that began with it; on the loop's thread, but where Serving says otherwise.
class LoopServing : public Serving {
 public:
  // All outlive it.
  static absl::StatusOr<std::unique_ptr<LoopServing>> Create(LoopServingHost& host,
                                                             SharedServing& shared,
                                                             ServingGeneration& generation);

  Api& api() { return *api_; }
  http::Service& http() { return *http_; }
  // Lets go of the graphs: nothing is started any more.
  void Close();

  std::span<const PlannedService> services() const override { return generation_.plan->services; }
  std::span<const RunnerEntry> runners() const override { return generation_.plan->runners; }
  std::span<const AbsentService> absent() const override { return generation_.plan->absent; }
  absl::Status WhyAbsent(std::string_view service) const override {
    return shared_.absences.Why(service);
  }
  bool ServiceReady(std::string_view service) const override {
    return shared_.readiness.ServiceReady(service);
  }
  bool RunnerReady(std::string_view service, std::string_view runner) const override {
    return shared_.readiness.RunnerReady(service, runner);
  }
  void OnReadinessChange(absl::AnyInvocable<void()> changed) override {
    host_.AddReadinessListener(std::move(changed));
  }
  TargetStatistics statistics(InferTarget target) const override {
    return generation_.statistics->of(target);
  }
  void CountRefused(std::optional<InferTarget> target, absl::StatusCode code) override;
  std::string MetricsText() const override { return shared_.metrics.Expose(); }
  ValueAllocator& allocator() override { return host_.allocator(); }
  AccessLog access_log() const override { return shared_.options.access_log; }
  const security::Tokens* tokens() const override { return shared_.options.tokens; }
  [[nodiscard]] std::unique_ptr<PendingInfer> Start(InferTarget target, std::vector<Value> inputs,
                                                    int64_t rows, InferOptions options,
                                                    InferDone done) override;

 private:
  LoopServing(LoopServingHost& host, SharedServing& shared, ServingGeneration& generation)
      : host_(host), shared_(shared), generation_(generation) {}
  absl::Status Bind();

  LoopServingHost& host_;
  SharedServing& shared_;
  ServingGeneration& generation_;
  std::map<const PlannedApi*, BoundApi> bound_apis_;
  std::map<const RunnerEntry*, RunnerTarget> targets_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<http::Service> http_;
};

}  // namespace tiffin::gateway
