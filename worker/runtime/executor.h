#pragma once

#include <atomic>
#include <thread>

#include "common/clock.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/call_queue.h"

namespace tiffin::worker {

// The model's thread: takes calls from the queue, one at a time, and runs them. Calls that were
// cancelled or whose deadline has passed are never executed. Destruction closes the queue, finishes
// the execution under way and joins.
class Executor {
 public:
  // All outlive the executor.
  Executor(Backend& backend, CallQueue& queue, const Clock& clock);
  ~Executor();

  bool executing() const { return executing_; }

 private:
  void Run();
  void Execute(QueuedCall& call);

  Backend& backend_;
  CallQueue& queue_;
  const Clock& clock_;
  std::atomic<bool> executing_ = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace tiffin::worker
