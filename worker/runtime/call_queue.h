#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "worker/runtime/batcher.h"
#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

// From the threads that bring calls to those that execute them, in batches. Thread-safe.
class CallQueue {
 public:
  // By default every call runs alone. `clock` outlives the queue.
  explicit CallQueue(const Clock& clock,
                     config::BatchingConfig batching = {.policy = config::BatchingPolicy::kOff})
      : clock_(clock), batcher_(batching) {}

  void Push(std::shared_ptr<QueuedCall> call);
  // Waits for calls, and for more to come as long as the batcher says so. nullopt after Close, when
  // what was queued has been taken.
  std::optional<Batch> Pop();

  // For a thread that brings calls and means to execute them itself, where one execution is under
  // way at a time: no other is woken for what is pushed until TakeHere.
  void Hold();
  // Ends a Hold. The next batch, to be executed by this thread, unless another one executes or the
  // batch had better wait for more. Done when that was executed.
  std::optional<Batch> TakeHere();
  void Done();
  // Ends a Hold, for one who leaves what was pushed to the others.
  void Unhold();
  // Until nothing is held or executed here any more.
  void AwaitNoneHere();

  // An execution of calls like `call`, of that many rows together, took that long.
  void Learn(const QueuedCall& call, int64_t rows, absl::Duration took);
  void Close();
  size_t size() const;

 private:
  // Something waits, and a thread in Pop may have it.
  bool CanPop() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return batcher_.size() > 0 && !executing_here_ && (holds_ == 0 || closed_);
  }
  // A thread that waits for more is woken if the next batch should start now, and not if it may
  // wait longer: it asks again when its time is up.
  void WakeIfDue(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Batch Take(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Until `start_at`, unless it comes out before that the batch should start now.
  void WaitForMore(absl::Time start_at, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  mutable absl::Mutex mutex_;
  Batcher batcher_ ABSL_GUARDED_BY(mutex_);
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;              // Threads in Pop.
  int waiting_for_more_ ABSL_GUARDED_BY(mutex_) = 0;  // Of these.
  bool start_now_ ABSL_GUARDED_BY(mutex_) = false;
  // Since when a thread has waited for the next batch to grow.
  std::optional<absl::Time> waits_since_ ABSL_GUARDED_BY(mutex_);
  int holds_ ABSL_GUARDED_BY(mutex_) = 0;
  bool executing_here_ ABSL_GUARDED_BY(mutex_) = false;  // Between TakeHere and Done.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tiffin::worker
