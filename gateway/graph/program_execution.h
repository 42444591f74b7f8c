#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/graph/execution.h"
#include "gateway/graph/program.h"

namespace tiffin::gateway {

// A request that makes more calls has a loop that doesn't end.
inline constexpr size_t kMaxProgramCalls = 65536;

// One run of a program: of its coroutine, which goes on whenever a call that it waits for has
// ended.
class ProgramExecution final : public Execution, private ProgramRun, private TaskWaiter {
 public:
  ProgramExecution(const BoundApi& api, ExecutionOptions options, Done done)
      : Execution(api, std::move(options), std::move(done)) {}

 private:
  class TimedCall;

  void Begin(std::vector<Value> inputs) override;
  void CancelAll() override { task_.reset(); }

  absl::StatusOr<std::unique_ptr<PendingCall>> StartCall(
      size_t step, std::vector<Value> inputs, absl::AnyInvocable<void(Outputs)> done) override;
  absl::StatusOr<std::unique_ptr<PendingCall>> StartTimed(size_t timing, std::vector<Value> inputs,
                                                          absl::AnyInvocable<void(Outputs)> done);
  void Resume(std::coroutine_handle<> waiting) override;
  std::coroutine_handle<> OnTaskEnd() noexcept override;

  Outputs OutputsOf(size_t timing, absl::StatusOr<CallResult> result);
  // That they are what the API declares.
  absl::Status CheckOutputs(const std::vector<Value>& outputs) const;

  ProgramRequest request_;
  bool ended_ = false;
  std::optional<Task<std::vector<Value>>> task_;  // Last: it uses the others.
};

}  // namespace tiffin::gateway
