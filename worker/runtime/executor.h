#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "common/clock.h"
#include "common/session/executing_page.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/call_outputs.h"
#include "worker/runtime/call_queue.h"

namespace tiffin::worker {

// The model's threads, as many as the backend allows: each takes batches from the queue, one at a
// time, and runs them. While executions are short, and one at a time, the thread that brings a call
// executes it itself: waking another one would take longer than that. Calls that were cancelled or
// whose deadline has passed are never executed. If a batch fails, its calls run again one by one,
// so that each gets the answer it would have got alone. Destruction closes the queue, finishes the
// executions under way and joins.
class Executor {
 public:
  // All outlive the executor. Calls are listed on `page` from the first look at their
  // inputs until they are answered.
  Executor(Backend& backend, CallQueue& queue, session::ExecutingPage& page, const Clock& clock);
  ~Executor();

  // Queues the call, for a model's thread.
  void Submit(std::shared_ptr<QueuedCall> call) { queue_.Push(std::move(call)); }
  // Queues the call, in a turn of `loop`, after which the turn's thread may execute it, unless that
  // is the one that keeps the loop's timers: an execution may be longer than those before it.
  void SubmitHere(std::shared_ptr<QueuedCall> call, Loop& loop);
  // How many calls wait.
  size_t queued() const { return queue_.size(); }
  // How many calls execute now.
  int executing() const { return executing_; }

 private:
  using Calls = std::span<const std::shared_ptr<QueuedCall>>;
  struct Times {
    absl::Time started;
    absl::Time ended;
    absl::Duration waited;  // As Batch::waited.
    int64_t rows = 0;       // Of all calls.
  };

  void Run();
  // In the thread that brought calls.
  void RunHere();
  // Counted among those that execute.
  void Execute(Batch batch);
  void ExecuteAll(Batch batch);
  // Executions are short, and one at a time.
  bool ExecutesHere() const;
  // As one execution, and answers them. An error, and no answer to any, if that failed.
  absl::Status ExecuteTogether(Calls calls, absl::Duration waited);
  // After an execution together failed.
  void ExecuteOneByOne(Calls calls, absl::Duration waited);
  session::ExecutingPage::Listing List(Calls calls);
  void Note(absl::Duration took, size_t bytes);
  void Answer(Calls calls, CallOutputs& outputs, const Times& times);
  bool IsAbandoned(const QueuedCall& call) const {
    return call.cancelled || clock_.Now() >= call.deadline;
  }

  Backend& backend_;
  CallQueue& queue_;
  session::ExecutingPage& page_;
  const Clock& clock_;
  std::atomic<int> executing_ = 0;
  // The longest of the executions lately: it is forgotten by a sixteenth with each that follows.
  std::atomic<int64_t> longest_ns_ = std::numeric_limits<int64_t>::max();
  std::atomic<size_t> last_bytes_ = 0;  // Of the last execution's inputs.
  std::vector<std::thread> threads_;    // Last: they use all of the above.
};

}  // namespace tiffin::worker
