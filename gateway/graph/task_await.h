#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gateway/graph/task_base.h"

// What a task waits for besides another task.
namespace tiffin::gateway {

// Starts all tasks and goes on when all have ended well, or ends its task with the first error.
// They outlive it. Lives in the frame of the task that awaits it.
class AwaitAll {
 public:
  explicit AwaitAll(std::vector<TaskBase*> tasks);

  bool await_ready() const noexcept { return branches_.empty(); }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) {
    return Start(waiting, waiting.promise());
  }
  void await_resume() const noexcept {}

 private:
  struct Branch final : TaskWaiter {
    Branch(AwaitAll& owner, TaskBase& of) : all(owner), task(of) {}
    std::coroutine_handle<> OnTaskEnd() noexcept override { return all.OnEnd(*this); }
    AwaitAll& all;
    TaskBase& task;
  };

  std::coroutine_handle<> Start(std::coroutine_handle<> waiting, TaskPromise& promise);
  std::coroutine_handle<> OnEnd(Branch& branch) noexcept;
  std::coroutine_handle<> GoOn() noexcept;

  std::vector<Branch> branches_;  // Its size is fixed: tasks know their addresses.
  std::coroutine_handle<> waiting_;
  TaskPromise* promise_ = nullptr;
  size_t under_way_ = 0;
  bool starting_ = false;
  absl::Status error_;
};

// Calls a runner. Lives in the frame of the task that awaits it.
class AwaitCall {
 public:
  AwaitCall(size_t step, std::vector<Value> inputs) : step_(step), inputs_(std::move(inputs)) {}
  AwaitCall(const AwaitCall&) = delete;
  AwaitCall& operator=(const AwaitCall&) = delete;

  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> waiting) {
    return Start(waiting, waiting.promise().run());
  }
  ProgramRun::Outputs await_resume() { return *std::move(outputs_); }

 private:
  bool Start(std::coroutine_handle<> waiting, ProgramRun& run);
  void OnDone(std::coroutine_handle<> waiting, ProgramRun& run, ProgramRun::Outputs outputs);

  const size_t step_;
  std::vector<Value> inputs_;
  std::unique_ptr<PendingCall> pending_;
  std::optional<ProgramRun::Outputs> outputs_;
};

// Awaits one of these where it lies: g++ 12 would copy it.
template <typename Awaited>
struct AwaitThere {
  bool await_ready() const noexcept { return awaited.await_ready(); }
  template <typename Promise>
  auto await_suspend(std::coroutine_handle<Promise> waiting) {
    return awaited.await_suspend(waiting);
  }
  auto await_resume() { return awaited.await_resume(); }
  Awaited& awaited;
};

}  // namespace tiffin::gateway
