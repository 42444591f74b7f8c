#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "gateway/api/http/handler.h"
#include "gateway/api/rpc.h"
#include "gateway/dispatch/runner_pool.h"
#include "gateway/server/loop_serving.h"
#include "gateway/server/serving_request.h"
#include "gateway/server/shared_serving.h"

namespace tiffin::gateway {

// Everything of a server that lives on one loop: sessions with all workers, memory, requests, and
// what is served, one generation after the other. Runners are named by their number in
// ServingOptions.
//
// Made before the loop runs and destroyed after it has ended; all else on the loop's thread.
class ServingLoop : private LoopServingHost, private RpcService, private http::Handler {
 public:
  // On the loop's thread. A life of a worker is named by the path that it listens at.
  struct Events {
    // complete(), or what the readiness says (then `readiness` is true), may have changed.
    absl::AnyInvocable<void(bool readiness)> changed;
    // A life of a worker took its first session of this loop. False: what it says doesn't fit.
    absl::AnyInvocable<void(size_t runner, std::string path, bool fits)> attached;
    // A life of a worker should be ended.
    absl::AnyInvocable<void(size_t runner, std::string path, const absl::Status& why)> hung;
    // No session could be had with a worker elsewhere, or it was lost.
    absl::AnyInvocable<void(size_t runner)> unreachable;
  };

  // All outlive it. `index` is the loop's number.
  ServingLoop(Loop& loop, Watcher& watcher, size_t index, SharedServing& shared, Events events);
  ~ServingLoop() override;

  // Begins its housekeeping.
  void Start();
  // The supervisor's news.
  void OnListening(size_t runner, int replica, const std::string& path);
  void OnExited(size_t runner, int replica, bool comes_back);
  // A fleet's.
  void OnAddress(size_t runner, size_t slot, const WorkerAddress& address);
  void OnWithdrawn(size_t runner, size_t slot);
  // What a runner's workers elsewhere say they are does not fit.
  void RefuseAll(size_t runner, const absl::Status& why);
  // By runner: it has a session with every worker; of those elsewhere, with one.
  std::vector<bool> complete() const;

  // Makes the graphs of a generation ready to run here, and the protocols; from then on they are
  // those that requests find.
  absl::Status Bind(ServingGeneration& generation);
  // Since Bind; they stay.
  RpcService& rpc_service() { return *this; }
  http::Handler& http_handler() { return *this; }

  // Tells the protocols that what the readiness says may have changed.
  void TellReadiness();
  size_t active_requests() const { return requests_.size(); }
  // `drained` is called, once the server takes no new requests, when none is under way any more.
  void Drain(absl::AnyInvocable<void()> drained);
  // Ends all requests under way with UNAVAILABLE.
  void Cut();
  // Ends all sessions. The last thing before the loop's queue is shut down.
  void Close();

 private:
  // LoopServingHost's.
  Loop& loop() override { return loop_; }
  DataLog* data_log() override { return shared_.options.data_log; }
  void OnRequestBegan(ServingRequest& request) override { requests_.insert(&request); }
  void OnRequestEnded(ServingRequest& request) override;
  Runner* FindRunner(std::string_view service, std::string_view runner) override;
  ValueAllocator& allocator() override { return memory_; }
  void AddReadinessListener(absl::AnyInvocable<void()> changed) override {
    readiness_listeners_.push_back(std::move(changed));
  }
  // RpcService's and http::Handler's: the last generation's.
  std::vector<std::string> UnaryMethods() const override { return current()->api().UnaryMethods(); }
  bool Start(Rpc& rpc) override { return current()->api().Start(rpc); }
  bool WantsBody(const http::Request& head) override { return current()->http().WantsBody(head); }
  Answer Take(http::Request request) override { return current()->http().Take(std::move(request)); }
  LoopServing* current() const { return current_; }

  std::unique_ptr<RunnerPool> MakePool(size_t runner);
  void OnPoolChange(size_t runner);
  void Housekeep(absl::Time scheduled);

  Loop& loop_;
  const size_t index_;
  SharedServing& shared_;
  Events events_;

  SegmentNames names_;
  GatewayMemory memory_;
  DispatchParts parts_;
  std::vector<std::unique_ptr<RunnerPool>> pools_;  // By runner.
  std::vector<std::unique_ptr<LoopServing>> generations_;
  std::atomic<LoopServing*> current_ = nullptr;  // The last of them; read by HTTP's thread, too.
  std::vector<absl::AnyInvocable<void()>> readiness_listeners_;
  absl::flat_hash_set<ServingRequest*> requests_;  // Under way.
  absl::AnyInvocable<void()> drained_;
  Loop::Timer housekeeping_;
};

}  // namespace tiffin::gateway
