#include "gateway/graph/graph_execution.h"

#include <utility>
#include <variant>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {

GraphExecution::GraphExecution(const BoundApi& api, ExecutionOptions options, Done done)
    : Execution(api, std::move(options), std::move(done)),
      steps_(plan().steps.size()),
      steps_left_(steps_.size()),
      values_(api.readers().size()),
      readers_(api.readers()) {
  if (this->options().monitored) {
    for (const auto& value : plan().monitor->values) ++readers_[api.slot(value.source)];
  }
  for (size_t step = 0; step < steps_.size(); ++step) {
    steps_[step].waiting_for = plan().steps[step].needs.size();
    if (steps_[step].waiting_for == 0) MakeReady(step);
  }
}

void GraphExecution::Begin(std::vector<Value> inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t slot = api().slot({ValueSource::From::kInput, i, 0});
    if (readers_[slot] > 0) values_[slot] = std::move(inputs[i]);
  }
  Advance();
}

void GraphExecution::MakeReady(size_t step) {
  (api().runner(step) != nullptr ? ready_calls_ : ready_functions_).push_back(step);
}

void GraphExecution::Advance() {
  absl::Status status = StartReady();
  if (!status.ok()) return Finish(std::move(status));
  if (steps_left_ > 0) return;
  std::vector<Value> outputs;
  outputs.reserve(plan().outputs.size());
  for (const PlannedOutput& output : plan().outputs) outputs.push_back(Take(output.source));
  if (options().monitored) {
    for (const auto& value : plan().monitor->values) {
      monitored().values.push_back(Take(value.source));
    }
  }
  Finish(std::move(outputs));
}

absl::Status GraphExecution::StartReady() {
  while (!ready_calls_.empty() || !ready_functions_.empty()) {
    for (const size_t step : std::exchange(ready_calls_, {})) RETURN_IF_ERROR(StartStep(step));
    if (ready_functions_.empty()) continue;
    const size_t function = ready_functions_.back();
    ready_functions_.pop_back();
    RETURN_IF_ERROR(StartStep(function));
  }
  return absl::OkStatus();
}

absl::Status GraphExecution::StartStep(size_t index) {
  const PlannedStep& step = plan().steps[index];
  const PlannedCall* call = step.call();
  steps_[index].timing = BeginStep(index);
  absl::Status status = CheckTime(steps_[index].timing);
  if (status.ok()) {
    status = call != nullptr ? StartCall(index, *call) : RunFunction(index, *step.function());
  }
  return status.ok() ? status : InStep(step, status);
}

absl::Status GraphExecution::StartCall(size_t index, const PlannedCall& planned) {
  const PlannedStep& step = plan().steps[index];
  Call call = CallOf(steps_[index].timing);
  call.inputs.reserve(step.arguments.size());
  for (size_t i = 0; i < step.arguments.size(); ++i) {
    if (const auto* literal = std::get_if<Value>(&step.arguments[i])) {
      // Where the rows go one by one, each call is given the same.
      ASSIGN_OR_RETURN(Value value, RepeatRow(*literal, planned.signature.batchable ? rows() : 1));
      call.inputs.push_back(std::move(value));
      continue;
    }
    call.inputs.push_back(Take(std::get<ValueSource>(step.arguments[i])));
    RETURN_IF_ERROR(CheckType(call.inputs.back(), planned.signature.inputs[i]));
  }
  ASSIGN_OR_RETURN(
      steps_[index].pending,
      StartRunner(index, std::move(call), [this, index](absl::StatusOr<CallResult> result) {
        OnResult(index, std::move(result));
      }));
  return absl::OkStatus();
}

absl::Status GraphExecution::RunFunction(size_t index, const StepFunction& function) {
  const PlannedApi& api_plan = plan();
  std::vector<Value> inputs;
  inputs.reserve(api_plan.steps[index].arguments.size());
  for (const CallArgument& argument : api_plan.steps[index].arguments) {
    inputs.push_back(Take(std::get<ValueSource>(argument)));
  }
  FunctionContext context{.service = api_plan.service,
                          .api = api_plan.name,
                          .request_id = options().request_id,
                          .trace = options().trace};
  if (options().monitored) {
    context.record = [this](std::string json) { monitored().records.push_back(std::move(json)); };
  }
  ASSIGN_OR_RETURN(Value output, function.Run(inputs, context));
  StepTiming& timing = mutable_timeline().back();
  timing.end = elapsed();
  timing.spent.compute = timing.end - timing.start;
  timing.done = true;
  std::vector<Value> outputs;
  outputs.push_back(std::move(output));
  return EndStep(index, std::move(outputs));
}

void GraphExecution::OnResult(size_t index, absl::StatusOr<CallResult> result) {
  steps_[index].pending.reset();
  StepTiming& timing = mutable_timeline()[steps_[index].timing];
  timing.end = elapsed();
  absl::Status status = result.status();
  if (result.ok()) {
    timing.spent = result->timings;
    timing.executions = std::move(result->executions);
    status = EndStep(index, std::move(result->outputs));
    timing.done = status.ok();
  }
  if (!status.ok()) return Finish(InStep(plan().steps[index], status));
  Advance();
}

absl::Status GraphExecution::EndStep(size_t index, std::vector<Value> outputs) {
  const PlannedStep& step = plan().steps[index];
  if (outputs.size() != step.outputs.size()) {
    return absl::InternalError(
        StrCat("it gave ", outputs.size(), " outputs, and declares ", step.outputs.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].rows() != rows()) {
      return absl::InternalError(StrCat("its output '", step.outputs[i].name, "' has ",
                                        outputs[i].rows(), " rows for ", rows()));
    }
    const size_t slot = api().slot({ValueSource::From::kStep, index, i});
    if (readers_[slot] > 0) values_[slot] = std::move(outputs[i]);
  }
  --steps_left_;
  for (const size_t fed : step.feeds) {
    if (--steps_[fed].waiting_for == 0) MakeReady(fed);
  }
  return absl::OkStatus();
}

Value GraphExecution::Take(const ValueSource& source) {
  const size_t slot = api().slot(source);
  if (--readers_[slot] > 0) return values_[slot];
  return std::exchange(values_[slot], Value{});
}

void GraphExecution::CancelAll() {
  for (StepState& step : steps_) {
    if (step.pending == nullptr) continue;
    step.pending.reset();
    mutable_timeline()[step.timing].end = elapsed();
  }
  values_.clear();
}

}  // namespace tiffin::gateway
