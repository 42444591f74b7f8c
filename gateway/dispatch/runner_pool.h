#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/signature.h"
#include "gateway/dispatch/ejection.h"
#include "gateway/dispatch/replica.h"
#include "gateway/dispatch/shared_runner.h"
#include "gateway/graph/runner.h"
#include "gateway/metrics/metrics.h"

namespace tiffin::gateway {

struct RunnerPoolOptions {
  std::string name;     // "model_a"
  std::string service;  // That it is of.
  int replicas = 1;     // Of endpoints: the most addresses at a time.
  // Its workers are at addresses, and somebody else's.
  bool elsewhere = false;
  std::string written = {};  // What the service file says that they run: see config::RunnerConfig.
  int queue_max = 0;         // For messages; `shared.load` keeps it.
};

// All replicas of one runner, as one loop has them: picks the one with the least outstanding calls,
// bounds the queue, both by what all loops have under way, keeps deadlines, and runs a call again
// where that is allowed. What executed in a worker that ended by its own doing is suspect: it is
// run again alone, one at a time of all loops, until it succeeds or has ended a second worker; then
// its content is refused for a while. Owned by the loop's part of the server; on the loop's thread.
class RunnerPool : public Runner {
 public:
  struct Events {
    absl::AnyInvocable<void()> changed;  // ready() may have changed.
    // Replica `index` took its first session. False: what it says it is doesn't fit.
    absl::AnyInvocable<void(int index, bool fits)> attached;
    // Replica `index` should be replaced.
    absl::AnyInvocable<void(int index, const absl::Status&)> hung;
    // No session could be had at an address, or it was lost.
    absl::AnyInvocable<void()> unreachable = nullptr;
  };

  // `parts` and `shared`, which the runner's pools of all loops share, outlive it and all results.
  RunnerPool(DispatchParts& parts, RunnerPoolOptions options, SharedRunner& shared, Events events);
  ~RunnerPool() override;

  // A full queue gives RESOURCE_EXHAUSTED, and so does one that is so slow lately that the deadline
  // would pass; no live replica, UNAVAILABLE, unless one that had served is being restarted: then
  // the call waits for it, within its deadline.
  [[nodiscard]] std::unique_ptr<PendingCall> Start(Call call, CallDone done) override;
  int64_t calls_at_once() const override { return shared_.load.limit(); }

  Replica& replica(int index) { return *replicas_[static_cast<size_t>(index)]; }
  const std::string& name() const { return options_.name; }
  // At least one replica takes calls.
  bool ready() const;
  bool all_ready() const;
  // What the workers said they are, to whichever loop. Nothing until the first was ready.
  std::optional<WorkerDescription> description() const { return shared_.accepted.current(); }
  // Of workers elsewhere: what they say they are does not fit the graph. They are asked again
  // later.
  void RefuseAll(const absl::Status& status);
  // No worker is at the replica's address any more.
  void Withdraw(size_t index);
  void ForgetSegment(uint64_t id);

 private:
  class PooledCall;
  using CallList = std::list<PooledCall*>;

  // FAILED_PRECONDITION: it doesn't fit.
  absl::Status Accept(size_t index, const WorkerDescription& description);
  absl::Status AcceptElsewhere(size_t index, const WorkerDescription& description);
  void OnChange();
  void OnUnreachable(size_t index, const absl::Status& status, bool had_served);
  void CountFailure(size_t index);
  // A call that the replica had has ended so.
  void Judge(size_t index, const absl::Status& status);
  // By index; nullopt: none takes calls.
  std::optional<size_t> LeastLoaded() const;
  bool coming_back() const;
  void Dispatch(PooledCall& call);
  void OnSuspect(const CallContent& content, const WorkerDeath& death);
  // False: another suspect is being run, here or by another loop; those that wait are seen to.
  bool TakeTrialTurn();
  // The trial is over, however it ended: the next one begins.
  void EndTrial();
  void TryNextSuspectLater();
  void TryNextSuspect();

  DispatchParts& parts_;
  const RunnerPoolOptions options_;
  SharedRunner& shared_;
  metrics::RunnerMetrics& metrics_;
  Events events_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  // Of workers elsewhere, by replica.
  struct Health {
    Ejection ejection;
    std::string said;           // The last thing that was said of it; empty: it serves.
    bool was_stranger = false;  // The session that is about to end was refused as another runner's.
  };
  std::vector<Health> health_;
  std::string refusal_;          // Of RefuseAll, until one ends otherwise.
  CallList waiting_;             // For a replica to come back.
  PooledCall* trial_ = nullptr;  // The suspect that is being run.
  std::optional<TrialTurn::Held> trial_turn_;
  bool awaits_turn_ = false;  // It will be told when another loop's trial has ended.
  CallList suspects_;         // Waiting for trials to end.
  // False after destruction. Shared with what is deferred.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tiffin::gateway
