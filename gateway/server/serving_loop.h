#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/async/rpc_server.h"
#include "common/async/watcher.h"
#include "common/config/service.h"
#include "gateway/api/api.h"
#include "gateway/api/http/server.h"
#include "gateway/api/http/service.h"
#include "gateway/api/serving.h"
#include "gateway/api/statistics.h"
#include "gateway/dispatch/runner_pool.h"
#include "gateway/graph/bound_api.h"
#include "gateway/metrics/metrics.h"
#include "gateway/server/runner_target.h"
#include "gateway/server/target_counts.h"
#include "gateway/supervisor/supervisor.h"

namespace tiffin::gateway {

// One runner of one service, and how its workers are started.
struct RunnerSetup {
  std::string service;
  std::string runner;
  int replicas = 1;
  int queue_max = config::kDefaultQueueMax;
  std::string program;
  std::vector<std::string> arguments;  // Without --listen and --lifeline-fd.
};

struct ServingOptions {
  std::vector<config::ServiceConfig> services;
  std::vector<RunnerSetup> runners;
  std::string grpc_address;
  std::string http_address;  // Empty: no HTTP.
  std::filesystem::path socket_directory;
  uint64_t segment_limit = uint64_t{1} << 30;
  WorkerTransport worker_transport = WorkerTransport::kExpress;
};

// Everything of a server that lives on one loop: the workers of its services, their graphs, and the
// protocols in front.
//
//   starting -> serving   all workers are ready, the graphs are right, the ports are open
//   starting -> failed    a worker ended, a graph is wrong, a port is taken, or AbandonStart
//   serving -> draining   requests under way go on, new ones get UNAVAILABLE
//
// Made before the loop runs and destroyed after it has ended; all else on the loop's thread.
class ServingLoop : public Serving {
 public:
  // All outlive it; `metrics`, its results too. `started` is told the address, or why not
  // (INVALID_ARGUMENT for what the user can mend), once.
  ServingLoop(Loop& loop, Watcher& watcher, RpcServer& rpc_server, http::Server& http_server,
              metrics::Metrics& metrics, ServingOptions options,
              absl::AnyInvocable<void(absl::StatusOr<std::string>)> started);
  ~ServingLoop() override;

  void Start();
  // While starting: no port will be opened any more, and `started` is not told.
  void AbandonStart();
  // `drained` is called when no request is under way any more.
  void Drain(absl::AnyInvocable<void()> drained);
  // After the servers are down. `stopped` when all worker processes are gone.
  void StopWorkers(absl::Duration grace, absl::AnyInvocable<void()> stopped);
  // Ends all sessions. The last thing before the loop's queue is shut down.
  void Close();

  std::span<const PlannedService> services() const override { return services_; }
  std::span<const RunnerEntry> runners() const override { return entries_; }
  bool ServiceReady(std::string_view service) const override;
  bool RunnerReady(std::string_view service, std::string_view runner) const override;
  void OnReadinessChange(absl::AnyInvocable<void()> changed) override;
  const TargetStatistics& statistics(InferTarget target) const override {
    return statistics_->of(target);
  }
  void CountRefused(std::optional<InferTarget> target, absl::StatusCode code) override;
  std::string MetricsText() const override { return metrics_.Expose(); }
  ValueAllocator& allocator() override { return memory_; }
  [[nodiscard]] std::unique_ptr<PendingInfer> Start(InferTarget target, std::vector<Value> inputs,
                                                    int64_t rows, InferOptions options,
                                                    InferDone done) override;

 private:
  enum class State { kStarting, kServing, kFailed, kDraining };
  class Worker;
  class Request;

  // A runner with its workers.
  struct RunnerSlot {
    RunnerSetup setup;
    metrics::RunnerMetrics* metrics = nullptr;  // Not null once it is started.
    std::unique_ptr<RunnerPool> pool;
    std::vector<std::unique_ptr<Worker>> workers;
  };

  absl::Status StartWorkers();
  void StartRunner(RunnerSlot& slot);
  void OnWorkerExited(const RunnerSlot& slot, const Process::Ending& ending);
  void OnPoolChange();
  absl::Status PlanAll();
  absl::Status Bind();
  // Opens the ports; returns the address of gRPC's.
  absl::StatusOr<std::string> OpenPorts();
  void AddEntries(const RunnerSlot& slot);
  void Fail(absl::Status status);
  void Housekeep();
  void RequestEnded();
  RunnerSlot* Find(std::string_view service, std::string_view runner) const;

  Loop& loop_;
  Watcher& watcher_;
  RpcServer& rpc_server_;
  http::Server& http_server_;
  metrics::Metrics& metrics_;
  const ServingOptions options_;
  absl::AnyInvocable<void(absl::StatusOr<std::string>)> started_;
  State state_ = State::kStarting;

  SegmentNames names_;
  GatewayMemory memory_;
  DispatchParts parts_;
  std::vector<std::unique_ptr<RunnerSlot>> slots_;
  std::vector<PlannedService> services_;
  std::vector<RunnerEntry> entries_;
  std::map<const PlannedApi*, BoundApi> bound_apis_;
  std::map<const RunnerEntry*, RunnerTarget> targets_;
  TargetCounts target_counts_;            // Likewise.
  std::optional<Statistics> statistics_;  // Since the graphs are planned.
  std::unique_ptr<Api> api_;
  std::unique_ptr<http::Service> http_;
  std::vector<absl::AnyInvocable<void()>> readiness_listeners_;
  size_t active_requests_ = 0;
  metrics::Held counted_serving_;  // While kServing.
  absl::AnyInvocable<void()> drained_;
  Loop::Timer housekeeping_;
  std::unique_ptr<Supervisor> supervisor_;  // Last: its workers are told to the slots.
};

}  // namespace tiffin::gateway
