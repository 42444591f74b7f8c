#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/graph/runner.h"
#include "gateway/graph/value.h"

// What a Task is made of, whatever it gives: see task.h.
namespace tiffin::gateway {

// The request that a task belongs to, which outlives it. On the loop's thread.
class ProgramRun {
 public:
  using Outputs = absl::StatusOr<std::vector<Value>>;

  // Calls the plan's step number `step`. An error that shows at once is returned; otherwise `done`
  // is called from the loop, never before this returns.
  virtual absl::StatusOr<std::unique_ptr<PendingCall>> StartCall(
      size_t step, std::vector<Value> inputs, absl::AnyInvocable<void(Outputs)> done) = 0;
  // Goes on with a coroutine from the loop. The last thing to do: the request may end, and with it
  // all of its tasks.
  virtual void Resume(std::coroutine_handle<> waiting) = 0;

 protected:
  ~ProgramRun() = default;
};

// Who waits for the end of a task.
class TaskWaiter {
 public:
  // Returns the coroutine to go on with.
  virtual std::coroutine_handle<> OnTaskEnd() noexcept = 0;

 protected:
  ~TaskWaiter() = default;
};

// The state of a task.
//   made -> running (Begin) -> ended, with a value (its coroutine returned) or an error
class TaskPromise {
 public:
  ProgramRun& run() const { return *run_; }
  const absl::Status& error() const { return error_; }
  bool ended() const { return ended_; }
  void Begin(ProgramRun& run, TaskWaiter& waiter) {
    run_ = &run;
    waiter_ = &waiter;
  }
  // Ends a task where it is suspended: it is never resumed. Returns the coroutine to go on with.
  std::coroutine_handle<> EndWith(absl::Status error) noexcept {
    SetError(std::move(error));
    return End();
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() noexcept {
    struct Final {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> /*ended*/) const noexcept {
        return promise.End();
      }
      void await_resume() const noexcept {}
      TaskPromise& promise;
    };
    return Final{*this};
  }
  // Code that throws fails its request, and nothing else.
  void unhandled_exception() noexcept { SetError(CurrentExceptionStatus()); }

 protected:
  ~TaskPromise() = default;
  void SetError(absl::Status error) noexcept { error_ = std::move(error); }

 private:
  static absl::Status CurrentExceptionStatus() noexcept;
  std::coroutine_handle<> End() noexcept {
    ended_ = true;
    return waiter_->OnTaskEnd();
  }

  ProgramRun* run_ = nullptr;  // From Begin on, as the next.
  TaskWaiter* waiter_ = nullptr;
  absl::Status error_;
  bool ended_ = false;
};

// Owns a task's frame. Movable.
class TaskBase {
 public:
  TaskBase(TaskBase&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), promise_(other.promise_) {}
  TaskBase& operator=(TaskBase&& other) noexcept {
    if (this != &other) {
      Cancel();
      handle_ = std::exchange(other.handle_, nullptr);
      promise_ = other.promise_;
    }
    return *this;
  }

  // Once: `waiter` is told of the end. Returns the coroutine to resume.
  std::coroutine_handle<> Begin(ProgramRun& run, TaskWaiter& waiter) {
    promise_->Begin(run, waiter);
    return handle_;
  }
  const absl::Status& error() const { return promise_->error(); }
  // Destroys the frame, which must be suspended, and so cancels what it waits for.
  void Cancel() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

 protected:
  TaskBase(std::coroutine_handle<> handle, TaskPromise& promise)
      : handle_(handle), promise_(&promise) {}
  ~TaskBase() { Cancel(); }
  TaskPromise& promise() { return *promise_; }

 private:
  std::coroutine_handle<> handle_;
  TaskPromise* promise_;
};

}  // namespace tiffin::gateway
