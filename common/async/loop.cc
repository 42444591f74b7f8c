#include "common/async/loop.h"

#include <algorithm>

namespace tiffin {
namespace {

gpr_timespec MonotonicIn(absl::Duration wait) {
  const int64_t nanos = std::max<int64_t>(0, absl::ToInt64Nanoseconds(wait));
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(nanos, GPR_TIMESPAN));
}

}  // namespace

Loop::Timer& Loop::Timer::operator=(Timer&& other) noexcept {
  Cancel();
  loop_ = std::exchange(other.loop_, nullptr);
  key_ = other.key_;
  return *this;
}

void Loop::Timer::Cancel() {
  if (Loop* loop = std::exchange(loop_, nullptr); loop != nullptr) loop->timers_.erase(key_);
}

void Loop::Run() {
  turn_.Lock();
  while (true) {
    RunDueTimers();
    RunReady();
    wakes_at_ = timers_.empty() ? absl::InfiniteFuture() : timers_.begin()->first.first;
    const gpr_timespec deadline = timers_.empty() ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                                                  : MonotonicIn(wakes_at_ - clock_.Now());
    EndTurn();
    void* tag = nullptr;
    bool ok = false;
    const grpc::CompletionQueue::NextStatus next = queue_.AsyncNext(&tag, &ok, deadline);
    turn_.Lock();
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      static_cast<Completion*>(tag)->OnComplete(ok);
    } else if (next == grpc::CompletionQueue::SHUTDOWN) {
      RunReady();
      EndTurn();
      return;
    }
  }
}

bool Loop::Enter(absl::FunctionRef<void()> task) {
  turn_.Lock();
  if (ended_) {
    turn_.Unlock();
    return false;
  }
  task();
  RunReady();
  if (!timers_.empty() && timers_.begin()->first.first < wakes_at_) {
    wakes_at_ = timers_.begin()->first.first;
    Post([] {});  // Run's thread sleeps until a later timer.
  }
  EndTurn();
  return true;
}

void Loop::EndTurn() {
  std::vector<Task> tasks;
  tasks.swap(after_turn_);
  turn_.Unlock();
  for (Task& task : tasks) std::move(task)();
}

void Loop::RunReady() {
  // Tasks may add tasks; each round takes what there is, in order.
  std::vector<Task> round;
  while (!ready_.empty()) {
    round.clear();
    round.swap(ready_);
    for (Task& task : round) std::move(task)();
  }
}

void Loop::RunDueTimers() {
  if (timers_.empty()) return;
  const absl::Time now = clock_.Now();
  // A timer that a task adds for the past waits for the next round, so this ends.
  const uint64_t end = next_timer_;
  auto it = timers_.begin();
  while (it != timers_.end() && it->first.first <= now) {
    if (it->first.second >= end) {
      ++it;
      continue;
    }
    Task task = std::move(it->second);
    timers_.erase(it);
    std::move(task)();
    RunReady();
    it = timers_.begin();
  }
}

Loop::Timer Loop::At(absl::Time when, Task task) {
  const Timer::Key key{when, next_timer_++};
  timers_.emplace(key, std::move(task));
  return Timer(this, key);
}

void Loop::Post(Task task) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  posted_.push_back(std::move(task));
  if (wake_pending_) return;
  wake_pending_ = true;
  wake_.Set(&queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC),
            &inbox_);  // A time of now may still be to come.
}

void Loop::Close() {
  ended_ = true;
  std::vector<Task> dropped;
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  dropped.swap(posted_);
}

void Loop::Inbox::OnComplete(bool /*ok*/) {
  std::vector<Task> tasks;
  {
    absl::MutexLock lock(&loop_.mutex_);
    tasks.swap(loop_.posted_);
    loop_.wake_pending_ = false;
  }
  for (Task& task : tasks) {
    if (loop_.ended_) return;
    std::move(task)();
  }
}

}  // namespace tiffin
