#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/graph/execution.h"

namespace tiffin::gateway {

// One run of a graph: starts each step once, as soon as its inputs are there, so that independent
// ones run at the same time. The first error ends it and cancels what still runs. Functions run
// inline. A value is let go as soon as the last step that needs it has taken it.
class GraphExecution final : public Execution {
 public:
  GraphExecution(const BoundApi& api, ExecutionOptions options, Done done);

 private:
  struct StepState {
    size_t waiting_for = 0;  // Steps that have not ended yet.
    std::unique_ptr<PendingCall> pending;
    size_t timing = 0;  // Index into the timeline.
  };

  void Begin(std::vector<Value> inputs) override;
  void CancelAll() override;
  void MakeReady(size_t step);
  // Starts all that is ready, then ends the request if that was all, or if something failed.
  void Advance();
  absl::Status StartReady();
  absl::Status StartStep(size_t step);
  absl::Status StartCall(size_t step, const PlannedCall& planned);
  absl::Status RunFunction(size_t step, const StepFunction& function);
  void OnResult(size_t step, absl::StatusOr<CallResult> result);
  absl::Status EndStep(size_t step, std::vector<Value> outputs);
  Value Take(const ValueSource& source);

  std::vector<StepState> steps_;
  size_t steps_left_;
  // Ready to start. Functions wait until all ready calls are on their way.
  std::vector<size_t> ready_calls_;
  std::vector<size_t> ready_functions_;

  // By slot of `api()`: the value, and how often it will still be taken.
  std::vector<Value> values_;
  std::vector<uint32_t> readers_;
};

}  // namespace tiffin::gateway
