#pragma once

#include <coroutine>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/graph/task_await.h"
#include "gateway/graph/task_base.h"

// Coroutines of APIs that are written in C++. A task runs when it is awaited, on the loop's thread.
//
//   const Value features = co_await preprocess.Run(image);
//   const auto [a, b] = co_await WhenAll(model_a.Run(features), model_b.Run(features));
//
// An error ends the task that awaits it, there and then, with that error: nothing behind the
// co_await runs, and what the task holds is destroyed. `co_await Try(task)` gives the StatusOr
// instead. An absl::Status, or a StatusOr that a plain function returned, may be awaited likewise.
//
// With g++ 12: no braces in a co_await expression, and no co_await in a ?: (it destroys what is
// built there twice): name it first. No lambda that captures may be a task that outlives it.
namespace tiffin::gateway {

template <typename T>
class [[nodiscard]] Task;

// A task's outcome as a value: see Try.
template <typename T>
struct Tried {
  Task<T> task;
};

template <typename T>
class PromiseOf;

enum class OnTaskError { kEndsToo, kIsTold };

// Starts a task, and goes on when it has ended.
template <typename T, OnTaskError on_error>
class AwaitTask final : public TaskWaiter {
 public:
  explicit AwaitTask(Task<T> task) : task_(std::move(task)) {}
  AwaitTask(const AwaitTask&) = delete;
  AwaitTask& operator=(const AwaitTask&) = delete;

  bool await_ready() const noexcept { return false; }
  template <typename U>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<PromiseOf<U>> waiting) noexcept {
    waiting_ = waiting;
    promise_ = &waiting.promise();
    return task_.Begin(promise_->run(), *this);
  }
  auto await_resume() {
    if constexpr (on_error == OnTaskError::kIsTold) {
      return task_.TakeResult();
    } else {
      return *task_.TakeResult();
    }
  }

  std::coroutine_handle<> OnTaskEnd() noexcept override {
    if (on_error == OnTaskError::kIsTold || task_.error().ok()) return waiting_;
    return promise_->EndWith(task_.error());
  }

 private:
  Task<T> task_;
  std::coroutine_handle<> waiting_;
  TaskPromise* promise_ = nullptr;
};

// Goes on at once, or ends the task.
template <typename T>
class AwaitStatusOr {
 public:
  explicit AwaitStatusOr(absl::StatusOr<T> result) : result_(std::move(result)) {}

  bool await_ready() const noexcept { return result_.ok(); }
  template <typename U>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<PromiseOf<U>> waiting) noexcept {
    return waiting.promise().EndWith(result_.status());
  }
  T await_resume() { return *std::move(result_); }

 private:
  absl::StatusOr<T> result_;
};

class AwaitStatus {
 public:
  explicit AwaitStatus(absl::Status status) : status_(std::move(status)) {}

  bool await_ready() const noexcept { return status_.ok(); }
  template <typename U>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<PromiseOf<U>> waiting) noexcept {
    return waiting.promise().EndWith(status_);
  }
  void await_resume() const noexcept {}

 private:
  absl::Status status_;
};

template <typename T>
class PromiseOf final : public TaskPromise {
 public:
  Task<T> get_return_object() {
    return Task<T>(std::coroutine_handle<PromiseOf>::from_promise(*this));
  }
  void return_value(absl::StatusOr<T> result) {
    if (result.ok()) {
      value_ = *std::move(result);
    } else {
      SetError(result.status());
    }
  }

  template <typename U>
  AwaitTask<U, OnTaskError::kEndsToo> await_transform(Task<U> task) {
    return AwaitTask<U, OnTaskError::kEndsToo>(std::move(task));
  }
  template <typename U>
  AwaitTask<U, OnTaskError::kIsTold> await_transform(Tried<U> tried) {
    return AwaitTask<U, OnTaskError::kIsTold>(std::move(tried.task));
  }
  template <typename U>
  AwaitStatusOr<U> await_transform(absl::StatusOr<U> result) {
    return AwaitStatusOr<U>(std::move(result));
  }
  AwaitStatus await_transform(absl::Status status) { return AwaitStatus(std::move(status)); }
  AwaitThere<AwaitCall> await_transform(AwaitCall& call) { return {call}; }
  AwaitThere<AwaitAll> await_transform(AwaitAll& all) { return {all}; }

  // Once, after the end.
  absl::StatusOr<T> TakeResult() {
    if (!error().ok()) return error();
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

// A coroutine that gives a T or an error. Owns its frame: destruction cancels what it waits for.
// Awaited once.
template <typename T>
class [[nodiscard]] Task : public TaskBase {
 public:
  using promise_type = PromiseOf<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) : TaskBase(handle, handle.promise()) {}

  // Once, after the end.
  absl::StatusOr<T> TakeResult() { return static_cast<promise_type&>(promise()).TakeResult(); }
};

// co_await Try(task) gives the StatusOr of what the task gives.
template <typename T>
Tried<T> Try(Task<T> task) {
  return Tried<T>{std::move(task)};
}

// Runs tasks at the same time, and gives what each of them gave. The first error is the result, and
// cancels the others.
template <typename... Ts>
Task<std::tuple<Ts...>> WhenAll(Task<Ts>... tasks) {
  std::vector<TaskBase*> started = {&tasks...};
  AwaitAll all(std::move(started));
  co_await all;
  co_return std::tuple<Ts...>(*tasks.TakeResult()...);
}
template <typename T>
Task<std::vector<T>> WhenAll(std::vector<Task<T>> tasks) {
  std::vector<TaskBase*> started;
  for (Task<T>& task : tasks) started.push_back(&task);
  AwaitAll all(std::move(started));
  co_await all;
  std::vector<T> values;
  values.reserve(tasks.size());
  for (Task<T>& task : tasks) values.push_back(*task.TakeResult());
  co_return values;
}

}  // namespace tiffin::gateway
