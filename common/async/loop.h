#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
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
// thread that polls something else brings its events by Enter. Who brings an event handles it, in a
// turn; while another thread has the turn, it is left to that one, so that nobody waits. "On the
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

  // Both outlive the loop. It outlives the threads that bring it events: one may still be on its
  // way out of Enter when the loop has ended.
  Loop(grpc::CompletionQueue& queue, const Clock& clock) : queue_(queue), clock_(clock) {}

  // Until the queue has been shut down and is empty.
  void Run();

  // Runs `task` on the loop's thread, from any thread, in order. Dropped if the loop has ended.
  void Post(Task task);
  // No Post will be taken any more: to be called, on the loop's thread, before the queue's
  // Shutdown.
  void Close();
  // Brings an event: `task`, and what it makes ready, is run before this returns, or soon, by the
  // thread that has the turn. What one thread brings is run in order. Costs no wake-up, and waits
  // only where so much was left to the other thread already, at once or one by one, that its own
  // events would come too late. Not from inside a turn. Dropped if the loop has ended.
  void Enter(Task task);
  // On the loop's thread: runs `task` after the turn, in its thread, while others may have theirs:
  // for what takes long.
  void AfterTurn(Task task) { after_turn_.push_back(std::move(task)); }
  // On the loop's thread: runs `task` after the event that is being handled.
  void Defer(Task task) { ready_.push_back(std::move(task)); }
  // On the loop's thread: runs `task` after this event and those that have come meanwhile: for what
  // is better done once for all of them.
  void DeferToLast(Task task) { last_.push_back(std::move(task)); }
  // On the loop's thread. `when` may be in the past; the task still runs later.
  [[nodiscard]] Timer At(absl::Time when, Task task);
  // On the loop's thread: this turn is of the thread that called Run, which keeps the timers. What
  // takes long there makes them late, also after the turn.
  bool of_run() const { return std::this_thread::get_id() == run_; }

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

  struct Completed {
    Completion* tag;
    bool ok;
  };
  struct Events {
    std::vector<Completed> completed;
    std::vector<Task> entered;
  };

  // True: the calling thread has the turn, and is to HandleEvents. False: it is left to the one
  // that has it.
  template <typename Event>
  bool Bring(Event event);
  void AwaitTurn();
  void AwaitTurnLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // With the turn, which it gives back.
  void HandleEvents();
  // What is to be run after the turn. nullopt: it goes on, for there are events, and nobody else
  // who would handle them.
  std::optional<std::vector<Task>> EndTurn();
  void RunAll(std::vector<Task>& tasks);
  void RunReady() { RunAll(ready_); }
  void RunDueTimers();
  // Of Run's thread: how long it may wait for an event.
  absl::Duration MaySleep();
  void WakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CompletionQueue& queue_;
  const Clock& clock_;
  // These belong to the thread that has the turn, but are also used before Run and after its end.
  Events handled_;             // Now, one after the other.
  std::vector<Task> running_;  // Of the lists below.
  std::vector<Task> ready_;
  std::vector<Task> last_;
  std::vector<Task> after_turn_;
  absl::btree_map<Timer::Key, Task> timers_;
  uint64_t next_timer_ = 0;
  bool ended_ = false;   // By Close.
  std::thread::id run_;  // None before Run.

  absl::Mutex mutex_;
  bool turn_taken_ ABSL_GUARDED_BY(mutex_) = false;
  int awaiting_turn_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t left_ ABSL_GUARDED_BY(mutex_) = 0;  // To the thread that has the turn, since it has.
  absl::CondVar turn_free_;
  Events brought_ ABSL_GUARDED_BY(mutex_);  // And not handled yet.
  // The first timer's time, as of the last turn's end.
  absl::Time due_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  // When Run's thread wakes up by itself. Past: it is awake.
  absl::Time wakes_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::vector<Task> posted_ ABSL_GUARDED_BY(mutex_);
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm wake_ ABSL_GUARDED_BY(mutex_);
  Inbox inbox_{*this};
};

}  // namespace tiffin
