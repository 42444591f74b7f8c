#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
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

// One thread that polls one gRPC completion queue, whose tags are all `Completion*`. Runs in the
// thread that calls Run. What belongs to a loop needs no locks; others reach it by Post.
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

  void RunReady();
  void RunDueTimers();

  grpc::CompletionQueue& queue_;
  const Clock& clock_;
  std::vector<Task> ready_;
  std::map<Timer::Key, Task> timers_;
  uint64_t next_timer_ = 0;
  bool ended_ = false;  // By Close.

  absl::Mutex mutex_;
  std::vector<Task> posted_ ABSL_GUARDED_BY(mutex_);
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm wake_ ABSL_GUARDED_BY(mutex_);
  Inbox inbox_{*this};
};

}  // namespace tiffin
