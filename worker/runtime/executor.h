#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/call_outputs.h"
#include "worker/runtime/call_queue.h"

namespace tiffin::worker {

// The model's threads, as many as the backend allows: each takes batches from the queue, one at a
// time, and runs them. Calls that were cancelled or whose deadline has passed are never executed.
// If a batch fails, its calls run again one by one, so that each gets the answer it would have got
// alone. Destruction closes the queue, finishes the executions under way and joins.
class Executor {
 public:
  // All outlive the executor.
  Executor(Backend& backend, CallQueue& queue, const Clock& clock);
  ~Executor();

  // How many calls execute now.
  int executing() const { return executing_; }

 private:
  using Calls = std::span<const std::shared_ptr<QueuedCall>>;
  struct Times {
    absl::Time started;
    absl::Time ended;
    absl::Duration waited;  // As Batch::waited.
  };

  void Run();
  void Execute(Batch batch);
  // As one execution, and answers them. An error, and no answer to any, if that failed.
  absl::Status ExecuteTogether(Calls calls, absl::Duration waited);
  // After an execution together failed.
  void ExecuteOneByOne(Calls calls, absl::Duration waited);
  void Answer(Calls calls, CallOutputs& outputs, const Times& times);
  bool IsAbandoned(const QueuedCall& call) const {
    return call.cancelled || clock_.Now() >= call.deadline;
  }

  Backend& backend_;
  CallQueue& queue_;
  const Clock& clock_;
  std::atomic<int> executing_ = 0;
  std::vector<std::thread> threads_;  // Last: they use all of the above.
};

}  // namespace tiffin::worker
