#include "gateway/graph/task_await.h"

namespace tiffin::gateway {

AwaitAll::AwaitAll(std::vector<TaskBase*> tasks) {
  branches_.reserve(tasks.size());
  for (TaskBase* task : tasks) branches_.emplace_back(*this, *task);
}

std::coroutine_handle<> AwaitAll::Start(std::coroutine_handle<> waiting, TaskPromise& promise) {
  waiting_ = waiting;
  promise_ = &promise;
  under_way_ = branches_.size();
  starting_ = true;
  for (Branch& branch : branches_) {
    branch.task.Begin(promise.run(), branch).resume();
    if (!error_.ok()) break;
  }
  starting_ = false;
  return GoOn();
}

std::coroutine_handle<> AwaitAll::OnEnd(Branch& branch) noexcept {
  --under_way_;
  if (!branch.task.error().ok()) error_ = branch.task.error();
  if (!error_.ok()) {
    // All others are suspended, or were never resumed; this one is about to be.
    for (Branch& other : branches_) {
      if (&other != &branch) other.task.Cancel();
    }
  }
  return starting_ ? std::noop_coroutine() : GoOn();
}

std::coroutine_handle<> AwaitAll::GoOn() noexcept {
  if (!error_.ok()) return promise_->EndWith(error_);
  return under_way_ == 0 ? waiting_ : std::noop_coroutine();
}

bool AwaitCall::Start(std::coroutine_handle<> waiting, ProgramRun& run) {
  auto pending =
      run.StartCall(step_, std::move(inputs_), [this, waiting, &run](ProgramRun::Outputs outputs) {
        OnDone(waiting, run, std::move(outputs));
      });
  if (!pending.ok()) {
    outputs_ = pending.status();
    return false;
  }
  pending_ = *std::move(pending);
  return true;
}

void AwaitCall::OnDone(std::coroutine_handle<> waiting, ProgramRun& run,
                       ProgramRun::Outputs outputs) {
  pending_.reset();  // And with it the closure that called this.
  outputs_ = std::move(outputs);
  run.Resume(waiting);
}

}  // namespace tiffin::gateway
