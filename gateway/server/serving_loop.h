#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "gateway/api/api.h"
#include "gateway/api/http/service.h"
#include "gateway/api/serving.h"
#include "gateway/dispatch/runner_pool.h"
#include "gateway/graph/bound_api.h"
#include "gateway/server/runner_target.h"
#include "gateway/server/serving_request.h"
#include "gateway/server/shared_serving.h"

namespace tiffin::gateway {

// Everything of a server that lives on one loop: sessions with all workers, memory, bound graphs,
// requests, and the protocols in front. Runners are named by their number in ServingOptions.
//
// Made before the loop runs and destroyed after it has ended; all else on the loop's thread.
class ServingLoop : public Serving, private RequestHost {
 public:
  // On the loop's thread. A life of a worker is named by the path that it listens at.
  struct Events {
    // complete(), or what the readiness says (then `readiness` is true), may have changed.
    absl::AnyInvocable<void(bool readiness)> changed;
    // A life of a worker took its first session of this loop. False: what it says doesn't fit.
    absl::AnyInvocable<void(size_t runner, std::string path, bool fits)> attached;
    // A life of a worker should be ended.
    absl::AnyInvocable<void(size_t runner, std::string path, const absl::Status& why)> hung;
  };

  // All outlive it. `index` is the loop's number.
  ServingLoop(Loop& loop, Watcher& watcher, size_t index, SharedServing& shared, Events events);
  ~ServingLoop() override;

  // Begins its housekeeping.
  void Start();
  // The supervisor's news.
  void OnListening(size_t runner, int replica, const std::string& path);
  void OnExited(size_t runner, int replica, bool comes_back);
  // By runner: it has a session with every worker.
  std::vector<bool> complete() const;
  // What a runner's workers said they are; it must be complete.
  const WorkerDescription& description(size_t runner) const;

  // Makes the graphs of the shared plan ready to run here, and the protocols.
  absl::Status Bind();
  // Since Bind.
  RpcService& rpc_service() { return *api_; }
  http::Handler& http_handler() { return *http_; }

  // Tells the protocols that what the readiness says may have changed.
  void TellReadiness();
  size_t active_requests() const { return requests_.size(); }
  // `drained` is called, once the server takes no new requests, when none is under way any more.
  void Drain(absl::AnyInvocable<void()> drained);
  // Ends all requests under way with UNAVAILABLE.
  void Cut();
  // Ends all sessions. The last thing before the loop's queue is shut down.
  void Close();

  std::span<const PlannedService> services() const override { return shared_.plan->services; }
  std::span<const RunnerEntry> runners() const override { return shared_.plan->runners; }
  bool ServiceReady(std::string_view service) const override;
  bool RunnerReady(std::string_view service, std::string_view runner) const override;
  void OnReadinessChange(absl::AnyInvocable<void()> changed) override;
  TargetStatistics statistics(InferTarget target) const override {
    return shared_.statistics->of(target);
  }
  void CountRefused(std::optional<InferTarget> target, absl::StatusCode code) override;
  std::string MetricsText() const override { return shared_.metrics.Expose(); }
  ValueAllocator& allocator() override { return memory_; }
  AccessLog access_log() const override { return shared_.options.access_log; }
  const security::Tokens* tokens() const override { return shared_.options.tokens; }
  [[nodiscard]] std::unique_ptr<PendingInfer> Start(InferTarget target, std::vector<Value> inputs,
                                                    int64_t rows, InferOptions options,
                                                    InferDone done) override;

 private:
  Loop& loop() override { return loop_; }
  DataLog* data_log() override { return shared_.options.data_log; }
  void OnRequestBegan(ServingRequest& request) override { requests_.insert(&request); }
  void OnRequestEnded(ServingRequest& request) override;

  std::unique_ptr<RunnerPool> MakePool(size_t runner);
  void OnPoolChange(size_t runner);
  // Null: the service has no such runner.
  RunnerPool* Find(std::string_view service, std::string_view runner) const;
  void Housekeep(absl::Time scheduled);

  Loop& loop_;
  const size_t index_;
  SharedServing& shared_;
  Events events_;

  SegmentNames names_;
  GatewayMemory memory_;
  DispatchParts parts_;
  std::vector<std::unique_ptr<RunnerPool>> pools_;  // By runner.
  std::map<const PlannedApi*, BoundApi> bound_apis_;
  std::map<const RunnerEntry*, RunnerTarget> targets_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<http::Service> http_;
  std::vector<absl::AnyInvocable<void()>> readiness_listeners_;
  absl::flat_hash_set<ServingRequest*> requests_;  // Under way.
  absl::AnyInvocable<void()> drained_;
  Loop::Timer housekeeping_;
};

}  // namespace tiffin::gateway
