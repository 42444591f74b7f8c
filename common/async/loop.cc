#include "common/async/loop.h"

#include <algorithm>
#include <type_traits>

namespace tiffin {
namespace {

// Where more than this was left to the thread that has the turn, at once or since it took it, the
// next one to bring an event takes the turn over: the other may go back to what it waits for
// itself.
constexpr size_t kMaxLeft = 8;
constexpr size_t kMaxLeftInTurn = 64;

gpr_timespec MonotonicIn(absl::Duration wait) {
  if (wait == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
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
  AwaitTurn();
  run_ = std::this_thread::get_id();
  HandleEvents();  // What there was before.
  while (true) {
    absl::Duration wait = MaySleep();
    if (wait <= absl::ZeroDuration()) {
      AwaitTurn();
      RunDueTimers();
      HandleEvents();
      wait = MaySleep();
    }
    void* tag = nullptr;
    bool ok = false;
    switch (queue_.AsyncNext(&tag, &ok, MonotonicIn(wait))) {
      case grpc::CompletionQueue::GOT_EVENT:
        if (Bring(Completed{.tag = static_cast<Completion*>(tag), .ok = ok})) HandleEvents();
        break;
      case grpc::CompletionQueue::TIMEOUT:
        break;
      case grpc::CompletionQueue::SHUTDOWN:
        AwaitTurn();
        HandleEvents();
        return;
    }
  }
}

void Loop::Enter(Task task) {
  if (Bring(std::move(task))) HandleEvents();
}

template <typename Event>
bool Loop::Bring(Event event) {
  absl::MutexLock lock(&mutex_);
  if constexpr (std::is_same_v<Event, Completed>) {
    wakes_at_ = absl::InfinitePast();  // It is awake.
    brought_.completed.push_back(event);
  } else {
    brought_.entered.push_back(std::move(event));
  }
  const size_t waiting = brought_.completed.size() + brought_.entered.size();
  if (turn_taken_ && waiting <= kMaxLeft && left_ < kMaxLeftInTurn) {
    ++left_;
    return false;
  }
  AwaitTurnLocked();
  return true;
}

void Loop::AwaitTurn() {
  absl::MutexLock lock(&mutex_);
  AwaitTurnLocked();
}

void Loop::AwaitTurnLocked() {
  ++awaiting_turn_;
  while (turn_taken_) turn_free_.Wait(&mutex_);
  --awaiting_turn_;
  turn_taken_ = true;
  left_ = 0;
}

void Loop::HandleEvents() {
  std::optional<std::vector<Task>> after_turn;
  do {
    {
      absl::MutexLock lock(&mutex_);
      std::swap(handled_, brought_);
    }
    RunReady();
    for (const Completed& completed : handled_.completed) {
      completed.tag->OnComplete(completed.ok);
      RunReady();
    }
    for (Task& task : handled_.entered) {
      if (ended_) break;
      std::move(task)();
      RunReady();
    }
    handled_.completed.clear();
    handled_.entered.clear();
    while (!last_.empty()) {
      RunAll(last_);
      RunReady();
    }
    after_turn = EndTurn();
  } while (!after_turn.has_value());
  for (Task& task : *after_turn) std::move(task)();
}

std::optional<std::vector<Loop::Task>> Loop::EndTurn() {
  absl::MutexLock lock(&mutex_);
  if (awaiting_turn_ == 0 && !(brought_.completed.empty() && brought_.entered.empty())) {
    return std::nullopt;
  }
  due_at_ = timers_.empty() ? absl::InfiniteFuture() : timers_.begin()->first.first;
  // Run's thread sleeps until a later timer. If somebody awaits the turn, its end sees to that:
  // what woke that thread last may still be among the events that wait, and then it is not woken
  // again.
  if (due_at_ < wakes_at_ && awaiting_turn_ == 0) {
    wakes_at_ = due_at_;
    WakeLocked();
  }
  turn_taken_ = false;
  if (awaiting_turn_ > 0) turn_free_.Signal();
  return std::exchange(after_turn_, {});
}

absl::Duration Loop::MaySleep() {
  absl::MutexLock lock(&mutex_);
  wakes_at_ = due_at_;
  return due_at_ == absl::InfiniteFuture() ? absl::InfiniteDuration() : due_at_ - clock_.Now();
}

void Loop::RunAll(std::vector<Task>& tasks) {
  // Tasks may add tasks; each round takes what there is, in order.
  while (!tasks.empty()) {
    running_.swap(tasks);
    for (Task& task : running_) std::move(task)();
    running_.clear();
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
  WakeLocked();
}

void Loop::WakeLocked() {
  if (closed_ || std::exchange(wake_pending_, true)) return;
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
