#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/call_queue.h"

namespace tiffin::worker {

// The model's threads, as many as the backend allows: each takes calls from the queue, one at a
// time, and runs them. Calls that were cancelled or whose deadline has passed are never executed.
// Destruction closes the queue, finishes the executions under way and joins.
class Executor {
 public:
  // All outlive the executor.
  Executor(Backend& backend, CallQueue& queue, const Clock& clock);
  ~Executor();

  // How many calls execute now.
  int executing() const { return executing_; }

 private:
  void Run();
  void Execute(QueuedCall& call);

  Backend& backend_;
  CallQueue& queue_;
  const Clock& clock_;
  std::atomic<int> executing_ = 0;
  std::vector<std::thread> threads_;  // Last: they use all of the above.
};

}  // namespace tiffin::worker
