#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/async/rpc_server.h"
#include "common/async/watcher.h"
#include "gateway/api/http/server.h"
#include "gateway/endpoints/fleet.h"
#include "gateway/metrics/metrics.h"
#include "gateway/server/options.h"
#include "gateway/server/serving_loop.h"
#include "gateway/supervisor/supervisor.h"

namespace tiffin::gateway {

// What is of the whole server, however many loops it has: starts the workers, tells every loop of
// them, plans the graphs once each loop has a session with every worker, opens the ports, drains,
// and stops. It has the states of Readiness.
//
// Decides on the thread of the first loop, to which the others post what they notice. Made before
// the loops run and destroyed after they have ended.
class ServerCore {
 public:
  struct LoopParts {
    Loop& loop;
    Watcher& watcher;
  };
  // At least one loop; each polls the queue of `rpc_server` that has its number. All outlive it,
  // and `metrics` its results too. `started` is told the address, or why not (INVALID_ARGUMENT for
  // what the user can mend), once.
  ServerCore(const std::vector<LoopParts>& loops, RpcServer& rpc_server, http::Server& http_server,
             metrics::Metrics& metrics, ServingOptions options,
             absl::AnyInvocable<void(absl::StatusOr<std::string>)> started);
  ~ServerCore();

  // On the first loop's thread.

  void Start();
  // While starting: no port will be opened any more, and `started` is not told.
  void AbandonStart();
  // `drained` is called when no loop has a request under way any more.
  void Drain(absl::AnyInvocable<void()> drained);
  // While draining: what is under way gets UNAVAILABLE, and `cut` is called when all has.
  void CutShort(absl::AnyInvocable<void()> cut);
  // After the servers are down. `stopped` when all worker processes are gone.
  void StopWorkers(absl::Duration grace, absl::AnyInvocable<void()> stopped);

  // How much the workers log.
  void SetWorkerDetail(Detail detail);

  // On the thread of loop number `loop`: ends its sessions. The last thing before the loop's queue
  // is shut down. News between loops is dropped from then on.
  void Close(size_t loop);

 private:
  class WorkerNews;

  void StartFleets();

  // Runs `task` on the thread of loop `to`, from that of loop `from`: at once if it is the same.
  void Tell(size_t from, size_t to, Loop::Task task);
  // From the first loop to all.
  void TellAll(const std::function<void(size_t loop)>& task);
  ServingLoop::Events EventsOf(size_t loop);

  absl::Status StartWorkers();
  // While starting: says after `patience` which workers are not ready yet, and then now and then.
  void AwaitWorkers(absl::Duration patience);
  void OnWorkerExited(size_t runner, const Process::Ending& ending);
  void OnAttached(size_t runner, const std::string& path, bool fits);
  void OnHung(size_t runner, const std::string& path, const absl::Status& why);
  // Something is wrong with a worker elsewhere.
  void OnUnreachable(size_t runner);
  // Plans what can be served by now. The first time, only if there is nothing to wait for.
  void PlanMore();
  // The first plan needn't wait.
  bool MayPlan() const;
  // A service is complete that is not served, or there is something new to say of one that isn't.
  bool HasMore() const;
  // Says what became of services that aren't served, and has workers that don't fit asked again.
  void TellAbsences();
  // `complete`: by runner.
  void OnLoopChanged(size_t loop, std::vector<bool> complete);
  // Every loop has a session with each of its workers.
  bool Complete(size_t runner) const;
  void OnBound(absl::Status bound);
  // All loops are ready for the first generation.
  void OpenServer();
  // Opens the ports; returns the address of gRPC's.
  absl::StatusOr<std::string> OpenPorts();
  void Fail(absl::Status status);

  const std::vector<LoopParts> loops_;
  RpcServer& rpc_server_;
  http::Server& http_server_;
  absl::AnyInvocable<void(absl::StatusOr<std::string>)> started_;
  SharedServing shared_;
  std::vector<std::unique_ptr<ServingLoop>> serving_;  // By loop.

  // Of the first loop's thread.
  std::vector<std::vector<bool>> complete_;  // By loop, then by runner.
  bool planned_ = false;
  bool binding_ = false;           // Loops are making a generation ready.
  bool endpoints_waited_ = false;  // For as long as the first plan waits for workers elsewhere.
  Loop::Timer patience_;
  Loop::Timer endpoint_patience_;
  size_t bound_loops_ = 0;
  Absences::Reasons told_absences_;
  size_t draining_loops_ = 0;
  size_t uncut_loops_ = 0;
  size_t counted_loops_ = 0;
  size_t requests_under_way_ = 0;  // Of the loops counted.
  absl::AnyInvocable<void()> drained_;
  absl::AnyInvocable<void()> cut_;
  metrics::Held counted_serving_;               // While the loops take requests.
  std::unique_ptr<NameResolver> resolver_;      // Null where no endpoint is a name.
  std::vector<std::unique_ptr<Fleet>> fleets_;  // By runner; null: its workers are the gateway's.
  std::vector<std::unique_ptr<WorkerNews>> news_;
  std::unique_ptr<Supervisor> supervisor_;  // Last: it tells `news_`.
};

}  // namespace tiffin::gateway
