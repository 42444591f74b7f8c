#include "gateway/graph/program_execution.h"

#include <algorithm>
#include <span>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {

// A call whose time ends, at the latest, when nobody waits for it any more.
class ProgramExecution::TimedCall : public PendingCall {
 public:
  TimedCall(ProgramExecution& execution, size_t timing, std::unique_ptr<PendingCall> call)
      : execution_(execution), timing_(timing), call_(std::move(call)) {}
  ~TimedCall() override {
    StepTiming& timing = execution_.mutable_timeline()[timing_];
    if (timing.end == timing.start) timing.end = execution_.elapsed();
  }

 private:
  ProgramExecution& execution_;
  const size_t timing_;
  const std::unique_ptr<PendingCall> call_;
};

void ProgramExecution::Begin(std::vector<Value> inputs) {
  request_ = {.inputs = std::move(inputs),
              .rows = rows(),
              .service = plan().service,
              .api = plan().name,
              .request_id = options().request_id,
              .trace = options().trace,
              .deadline = deadline()};
  task_.emplace(plan().program->Run(request_));
  Resume(task_->Begin(*this, *this));
}

std::coroutine_handle<> ProgramExecution::OnTaskEnd() noexcept {
  ended_ = true;
  return std::noop_coroutine();
}

void ProgramExecution::Resume(std::coroutine_handle<> waiting) {
  waiting.resume();
  if (!ended_) return;
  Outputs outputs = task_->TakeResult();
  if (outputs.ok()) {
    if (absl::Status checked = CheckOutputs(*outputs); !checked.ok()) outputs = std::move(checked);
  }
  Finish(std::move(outputs));
}

absl::StatusOr<std::unique_ptr<PendingCall>> ProgramExecution::StartCall(
    size_t step, std::vector<Value> inputs, absl::AnyInvocable<void(Outputs)> done) {
  if (timeline().size() == kMaxProgramCalls) {
    return absl::ResourceExhaustedError(
        StrCat("api '", plan().name, "' made ", kMaxProgramCalls,
               " calls in one request: its code goes round and round"));
  }
  auto call = StartTimed(BeginStep(step), std::move(inputs), std::move(done));
  if (!call.ok()) return InStep(plan().steps[step], call.status());
  return call;
}

absl::StatusOr<std::unique_ptr<PendingCall>> ProgramExecution::StartTimed(
    size_t timing, std::vector<Value> inputs, absl::AnyInvocable<void(Outputs)> done) {
  RETURN_IF_ERROR(CheckTime(timing));
  const size_t step = timeline()[timing].step;
  const std::vector<TensorSpec>& wanted = plan().steps[step].call()->signature.inputs;
  if (inputs.size() != wanted.size()) {
    return absl::InternalError(
        StrCat("it takes ", wanted.size(), " inputs, and the API's code gave ", inputs.size()));
  }
  Call call = CallOf(timing);
  if (!inputs.empty()) call.rows = inputs.front().rows();
  for (size_t i = 0; i < inputs.size(); ++i) {
    RETURN_IF_ERROR(CheckType(inputs[i], wanted[i]));
    if (inputs[i].rows() == call.rows && call.rows > 0) continue;
    return absl::InternalError(StrCat("its input '", wanted[i].name, "' has ", inputs[i].rows(),
                                      " rows, and the first one ", call.rows));
  }
  call.inputs = std::move(inputs);
  ASSIGN_OR_RETURN(std::unique_ptr<PendingCall> started,
                   StartRunner(step, std::move(call),
                               [this, timing,
                                done = std::move(done)](absl::StatusOr<CallResult> result) mutable {
                                 // `done` destroys the call, and with it this closure.
                                 absl::AnyInvocable<void(Outputs)> tell = std::move(done);
                                 tell(OutputsOf(timing, std::move(result)));
                               }));
  return std::make_unique<TimedCall>(*this, timing, std::move(started));
}

ProgramRun::Outputs ProgramExecution::OutputsOf(size_t timing, absl::StatusOr<CallResult> result) {
  StepTiming& step = mutable_timeline()[timing];
  step.end = elapsed();
  const PlannedStep& planned = plan().steps[step.step];
  if (!result.ok()) return InStep(planned, result.status());
  if (result->outputs.size() != planned.outputs.size()) {
    return InStep(planned,
                  absl::InternalError(StrCat("it gave ", result->outputs.size(),
                                             " outputs, and declares ", planned.outputs.size())));
  }
  step.spent = result->timings;
  step.executions = std::move(result->executions);
  step.done = true;
  return std::move(result->outputs);
}

absl::Status ProgramExecution::CheckOutputs(const std::vector<Value>& outputs) const {
  const std::vector<PlannedOutput>& declared = plan().outputs;
  if (outputs.size() != declared.size()) {
    return absl::InternalError(StrCat("the code of api '", plan().name, "' gave ", outputs.size(),
                                      " outputs, and declares ", declared.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Value& value = outputs[i];
    const TensorSpec& spec = declared[i].spec;
    const auto row = std::span<const int64_t>(value.shape).subspan(value.shape.empty() ? 0 : 1);
    if (value.buffer != nullptr && value.dtype == spec.type.dtype && value.rows() == rows() &&
        ShapeMatches(row, spec.type.shape)) {
      continue;
    }
    return absl::InternalError(
        StrCat("the code of api '", plan().name, "' gave ", value.rows(), " rows of ",
               ToString(TensorType(value.dtype, Shape(row.begin(), row.end()))), " as '", spec.name,
               "', and declares ", rows(), " of ", ToString(spec.type)));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
