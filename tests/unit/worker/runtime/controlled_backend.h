#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// Closed until the test opens it.
class Gate {
 public:
  void Open() {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  // False: nobody opened it in time.
  [[nodiscard]] bool Wait() {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&open_), absl::Seconds(20));
  }

 private:
  absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

// What an execution was given. Each starts with a copy of its first input's bytes.
struct Execution {
  std::string method;
  std::string first_input;
  int64_t rows = 1;
};

// A backend that does what the test says, on the model's thread, and keeps a list of what it did.
class ControlledBackend : public Backend {
 public:
  using Behavior = std::function<absl::Status(const Invocation&, Outputs&)>;

  ControlledBackend(Signature signature, Behavior behavior, int concurrency = 1)
      : signature_(std::move(signature)),
        behavior_(std::move(behavior)),
        concurrency_(concurrency) {}

  const Signature& signature() const override { return signature_; }
  int concurrency() const override { return concurrency_; }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    Behavior behavior;
    {
      absl::MutexLock lock(&mutex_);
      executions_.push_back(
          {.method = std::string(invocation.method),
           .first_input = invocation.inputs.empty()
                              ? std::string()
                              : std::string(AsStringView(invocation.inputs.front().bytes)),
           .rows = invocation.rows});
      behavior = behavior_;
    }
    return behavior(invocation, outputs);
  }

  // For executions that begin from now on.
  void Behave(Behavior behavior) {
    absl::MutexLock lock(&mutex_);
    behavior_ = std::move(behavior);
  }
  // Waits until that many executions have begun.
  [[nodiscard]] bool AwaitBegun(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto begun = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return executions_.size() >= count;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&begun), absl::Seconds(20));
  }
  std::vector<Execution> executions() const {
    absl::MutexLock lock(&mutex_);
    return executions_;
  }

 private:
  const Signature signature_;
  mutable absl::Mutex mutex_;
  Behavior behavior_ ABSL_GUARDED_BY(mutex_);
  const int concurrency_;
  std::vector<Execution> executions_ ABSL_GUARDED_BY(mutex_);
};

// Gives each input back as the output of the same place.
inline absl::Status Identity(const Invocation& invocation, Outputs& outputs) {
  for (size_t i = 0; i < invocation.inputs.size(); ++i) {
    const TensorView& input = invocation.inputs[i];
    auto output = outputs.Allocate(i, input.dtype, input.shape, input.bytes.size());
    if (!output.ok()) return output.status();
    std::copy(input.bytes.begin(), input.bytes.end(), output->begin());
  }
  return absl::OkStatus();
}

// The same, once the gate is open. Shared with a test that may end first.
inline ControlledBackend::Behavior IdentityBehind(std::shared_ptr<Gate> gate) {
  return [gate = std::move(gate)](const Invocation& invocation, Outputs& outputs) {
    if (!gate->Wait()) return absl::DeadlineExceededError("nobody opened the gate");
    return Identity(invocation, outputs);
  };
}

// One method `run` from `in` to `out`, both uint8[-1].
inline Signature BytesSignature(bool batchable = false) {
  MethodSignature run;
  run.inputs = {{"in", TensorType(DataType::kUint8, {-1})}};
  run.outputs = {{"out", TensorType(DataType::kUint8, {-1})}};
  run.batchable = batchable;
  return {{std::string(kDefaultMethod), run}};
}

}  // namespace tiffin::worker
