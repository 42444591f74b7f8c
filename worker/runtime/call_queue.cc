#include "worker/runtime/call_queue.h"

#include <utility>

namespace tiffin::worker {

void CallQueue::Push(std::shared_ptr<QueuedCall> call) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  batcher_.Add(std::move(call), now);
  if (waiting_for_more_ > 0) WakeIfDue(now);
}

void CallQueue::WakeIfDue(absl::Time now) { start_now_ = batcher_.StartAt(now, idle_) <= now; }

std::optional<Batch> CallQueue::Pop() {
  absl::MutexLock lock(&mutex_);
  ++idle_;
  const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return CanPop() || (closed_ && batcher_.size() == 0);
  };
  std::optional<Batch> batch;
  while (true) {
    if (!CanPop()) {
      mutex_.Await(absl::Condition(&something));
      if (batcher_.size() == 0) break;
    }
    const absl::Time now = clock_.Now();
    const absl::Time start_at = closed_ ? now : batcher_.StartAt(now, idle_);
    if (batcher_.size() > 0 && start_at > now) {
      WaitForMore(start_at, now);
      continue;
    }
    batch = Take(now);
    if (!batch->calls.empty() || !batch->expired.empty()) break;
    batch.reset();  // All were dropped.
  }
  --idle_;
  if (waiting_for_more_ > 0) WakeIfDue(clock_.Now());  // For what this thread left.
  return batch;
}

Batch CallQueue::Take(absl::Time now) {
  Batch batch = batcher_.Take(now);
  if (waits_since_.has_value()) batch.waited = now - *waits_since_;
  waits_since_.reset();
  return batch;
}

void CallQueue::Hold() {
  absl::MutexLock lock(&mutex_);
  ++holds_;
}

std::optional<Batch> CallQueue::TakeHere() {
  absl::MutexLock lock(&mutex_);
  --holds_;
  // A thread that is not in Pop executes.
  if (executing_here_ || idle_ == 0 || batcher_.size() == 0) return std::nullopt;
  const absl::Time now = clock_.Now();
  if (!closed_ && batcher_.StartAt(now, idle_) > now) return std::nullopt;
  executing_here_ = true;
  return Take(now);
}

void CallQueue::Unhold() {
  absl::MutexLock lock(&mutex_);
  --holds_;
}

void CallQueue::Done() {
  absl::MutexLock lock(&mutex_);
  executing_here_ = false;
}

void CallQueue::AwaitNoneHere() {
  const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return holds_ == 0 && !executing_here_;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&none));
}

void CallQueue::WaitForMore(absl::Time start_at, absl::Time now) {
  const auto start = [this]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || start_now_; };
  if (!waits_since_.has_value()) waits_since_ = now;
  ++waiting_for_more_;
  mutex_.AwaitWithTimeout(absl::Condition(&start), start_at - now);
  --waiting_for_more_;
  start_now_ = false;
}

void CallQueue::Learn(const QueuedCall& call, int64_t rows, absl::Duration took) {
  absl::MutexLock lock(&mutex_);
  if (batcher_.Batches(call)) batcher_.Learn(call, rows, took);
}

void CallQueue::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

size_t CallQueue::size() const {
  absl::MutexLock lock(&mutex_);
  return batcher_.size();
}

}  // namespace tiffin::worker
