#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/async/loop.h"
#include "gtest/gtest.h"

namespace tiffin {

// How long a test waits for what should happen at once, before it fails.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

// A loop at work on a thread of its own. What belongs to the loop is reached by Do.
class LoopThread {
 public:
  explicit LoopThread(const Clock& clock = Clock::Monotonic())
      : own_queue_(std::make_unique<grpc::CompletionQueue>()),
        queue_(*own_queue_),
        loop_(queue_, clock),
        thread_([this] { loop_.Run(); }) {}
  // On a server's queue, which outlives this.
  explicit LoopThread(grpc::CompletionQueue& queue, const Clock& clock = Clock::Monotonic())
      : queue_(queue), loop_(queue, clock), thread_([this] { loop_.Run(); }) {}
  ~LoopThread() { Stop(); }

  Loop& loop() { return loop_; }

  // Runs `task` on the loop's thread, and returns what it returns.
  template <typename Task>
  std::invoke_result_t<Task> Do(Task task) {
    using Result = std::invoke_result_t<Task>;
    absl::Notification done;
    if constexpr (std::is_void_v<Result>) {
      loop_.Post([&] {
        task();
        done.Notify();
      });
      done.WaitForNotification();
    } else {
      std::optional<Result> result;
      loop_.Post([&] {
        result.emplace(task());
        done.Notify();
      });
      done.WaitForNotification();
      return *std::move(result);
    }
  }

  // Until `predicate`, asked on the loop's thread between other events, holds. False: it did not in
  // time.
  template <typename Predicate>
  [[nodiscard]] bool Await(Predicate predicate) {
    const absl::Time give_up = absl::Now() + kPatience;
    while (!Do(predicate)) {
      if (absl::Now() > give_up) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // Until all timers that are due by the loop's clock have run.
  void RunTimers() {
    absl::Notification ran;
    Loop::Timer last;
    Do([&] { last = loop_.At(loop_.now(), [&] { ran.Notify(); }); });
    ran.WaitForNotification();
    Do([&] { last.Cancel(); });  // On the loop's thread, as all that is done with a timer.
  }

  // Ends the loop; what uses it must be gone by then. Also called by the destructor.
  void Stop() {
    if (!thread_.joinable()) return;
    loop_.Post([this] {
      loop_.Close();
      queue_.Shutdown();
    });
    thread_.join();
  }

 private:
  std::unique_ptr<grpc::CompletionQueue> own_queue_;
  grpc::CompletionQueue& queue_;
  Loop loop_;
  std::thread thread_;  // Last: it runs the loop.
};

}  // namespace tiffin
