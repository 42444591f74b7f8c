#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "grpcpp/alarm.h"
#include "grpcpp/completion_queue.h"

namespace tiffin {

// What a completion queue hands back: the tag of an operation. Must live until it was called.
class Completion {
 public:
  virtual ~Completion() = default;
  virtual void OnComplete(bool ok) = 0;
};

// Events one after the other, so that what belongs to a loop needs no locks. Most are those of one
// gRPC completion queue, whose tags are all `Completion*`: the thread that calls Run polls it. A
// thread that polls something else handles its events by Enter, in a turn of its own. "On the
// loop's thread" means: in a turn, whichever thread has it. All others reach the loop by Post.
class Loop {
 public:
  using Task = absl::AnyInvocable<void()>;

  // A pending timer; destruction cancels it. Used on the loop's thread, and must not outlive it.
  class Timer {
   public:
    Timer() = default;
    Timer(Timer&& other) noexcept { *this = std::move(other); }
    Timer& operator=(Timer&& other) noexcept;
    ~Timer() { Cancel(); }
    void Cancel();

   private:
    friend class Loop;
    using Key = std::pair<absl::Time, uint64_t>;
    Timer(Loop* loop, Key key) : loop_(loop), key_(key) {}
    Loop* loop_ = nullptr;
    Key key_;
  };

  // Both outlive the loop.
  Loop(grpc::CompletionQueue& queue, const Clock& clock) : queue_(queue), clock_(clock) {}

  // Until the queue has been shut down and is empty.
  void Run();

  // Runs `task` on the loop's thread, from any thread, in order. Dropped if the loop has ended.
  void Post(Task task);
  // No Post will be taken any more: to be called, on the loop's thread, before the queue's
  // Shutdown.
  void Close();
  // Handles an event of the calling thread's, at once: runs `task`, and what it makes ready, when
  // no other event is being handled. Costs no wake-up of Run's thread. Not from inside a turn.
  // False: the loop has ended, and nothing was run.
  bool Enter(absl::FunctionRef<void()> task);
  // On the loop's thread: runs `task` after the turn, in its thread, while others may have theirs:
  // for what takes long.
  void AfterTurn(Task task) { after_turn_.push_back(std::move(task)); }
  // On the loop's thread: runs `task` after the event that is being handled.
  void Defer(Task task) { ready_.push_back(std::move(task)); }
  // On the loop's thread. `when` may be in the past; the task still runs later.
  [[nodiscard]] Timer At(absl::Time when, Task task);

  const Clock& clock() const { return clock_; }
  absl::Time now() const { return clock_.Now(); }
  grpc::CompletionQueue& queue() { return queue_; }

 private:
  // Takes what other threads posted.
  class Inbox : public Completion {
   public:
    explicit Inbox(Loop& loop) : loop_(loop) {}
    void OnComplete(bool ok) override;

   private:
    Loop& loop_;
  };

  void RunReady() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void RunDueTimers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  // Gives the turn back.
  void EndTurn() ABSL_UNLOCK_FUNCTION(turn_);

  grpc::CompletionQueue& queue_;
  const Clock& clock_;
  // Held by the thread whose turn it is. All that is not guarded otherwise belongs to it, but is
  // also used before Run and after its end.
  absl::Mutex turn_;
  std::vector<Task> ready_;
  std::vector<Task> after_turn_;
  std::map<Timer::Key, Task> timers_;
  uint64_t next_timer_ = 0;
  // When Run's thread looks at the timers by itself.
  absl::Time wakes_at_ = absl::InfinitePast();
  bool ended_ = false;  // By Close.

  absl::Mutex mutex_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mutex_);
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm wake_ ABSL_GUARDED_BY(mutex_);
  Inbox inbox_{*this};
};

}  // namespace tiffin
