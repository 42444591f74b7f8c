#pragma once

#include <atomic>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gateway/server/options.h"

namespace tiffin::gateway {

// Whether the server takes requests, and which runners it can run them on: one answer for all of
// its loops, for nobody knows which of them a request will come to. Thread-safe.
class Readiness {
 public:
  //   starting -> serving    every loop has every worker, the graphs are right; then ports open
  //   starting -> failed     a worker ended, a graph is wrong, or it was abandoned
  //   serving  -> failed     a port is taken
  //   serving  -> draining   requests under way go on, new ones get UNAVAILABLE
  enum class State { kStarting, kServing, kFailed, kDraining };

  // `runners` outlives it.
  Readiness(const std::vector<RunnerSetup>& runners, size_t loops)
      : runners_(runners), ready_(runners.size(), std::vector<bool>(loops)) {}

  State state() const { return state_; }
  // By the loop that decides.
  void SetState(State state) { state_ = state; }

  // Runner number `runner` has a replica that takes calls from `loop`, or has none. True if that
  // changed what is said below.
  bool Set(size_t loop, size_t runner, bool ready);

  // Services that can't be served yet, whatever runners are ready.
  void SetAbsent(std::set<std::string, std::less<>> services) {
    const absl::MutexLock lock(&mutex_);
    absent_ = std::move(services);
  }

  // Its workers take calls from every loop, and the server serves.
  bool RunnerReady(std::string_view service, std::string_view runner) const;
  // All runners of the service are ready.
  bool ServiceReady(std::string_view service) const;

 private:
  bool ReadyOnAll(size_t runner) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::vector<RunnerSetup>& runners_;
  std::atomic<State> state_ = State::kStarting;
  mutable absl::Mutex mutex_;
  std::set<std::string, std::less<>> absent_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<bool>> ready_ ABSL_GUARDED_BY(mutex_);  // By runner, then by loop.
};

}  // namespace tiffin::gateway
