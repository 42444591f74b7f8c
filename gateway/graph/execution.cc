#include "gateway/graph/execution.h"

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/graph/row_calls.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {
namespace {

// Messages travel in headers, whose size is limited.
constexpr size_t kMaxMessage = 1024;
constexpr std::string_view kEllipsis = "...";

// Cuts a message at a character's first byte, not inside a character.
std::string Limited(std::string message) {
  if (message.size() <= kMaxMessage) return message;
  size_t end = kMaxMessage - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0u) == 0x80u) --end;
  message.resize(end);
  message.append(kEllipsis);
  return message;
}

// The same error, with the step it comes from.
absl::Status InStep(const PlannedStep& step, const absl::Status& status) {
  const PlannedCall* call = step.call();
  return absl::Status(
      status.code(),
      Limited(StrCat("step '", step.name, "' (", call != nullptr ? "runner" : "function", " '",
                     call != nullptr ? call->runner : step.callee, "'): ", Message(status))));
}

// Sizes that the plan left open (-1) are known now.
absl::Status CheckType(const Value& value, const TensorSpec& spec) {
  const auto row = std::span<const int64_t>(value.shape).subspan(value.shape.empty() ? 0 : 1);
  if (value.dtype == spec.type.dtype && ShapeMatches(row, spec.type.shape)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      StrCat("its input '", spec.name, "' is ",
             ToString(TensorType(value.dtype, Shape(row.begin(), row.end()))), ", but it takes ",
             ToString(spec.type)));
}

}  // namespace

std::unique_ptr<Execution> Execution::Start(const BoundApi& api, std::vector<Value> inputs,
                                            ExecutionOptions options, Done done) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<Execution> execution(new Execution(api, std::move(options), std::move(done)));
  const absl::Status taken = execution->TakeInputs(std::move(inputs));
  if (taken.ok()) {
    execution->Advance();
  } else {
    execution->Finish(taken);
  }
  execution->starting_ = false;
  return execution;
}

Execution::Execution(const BoundApi& api, ExecutionOptions options, Done done)
    : api_(api),
      options_(std::move(options)),
      done_(std::move(done)),
      start_(options_.clock->Now()),
      deadline_(std::min(options_.deadline, start_ + api.plan().timeout)),
      steps_(api.plan().steps.size()),
      steps_left_(steps_.size()),
      values_(api.readers().size()),
      readers_(api.readers()),
      result_(std::vector<Value>()) {
  if (options_.monitored) {
    for (const auto& value : api.plan().monitor->values) ++readers_[api.slot(value.source)];
  }
  timeline_.reserve(steps_.size());
  for (size_t step = 0; step < steps_.size(); ++step) {
    steps_[step].waiting_for = api.plan().steps[step].needs.size();
    if (steps_[step].waiting_for == 0) MakeReady(step);
  }
}

Execution::~Execution() {
  if (posted_ != nullptr) *posted_ = nullptr;
}

absl::Duration Execution::elapsed() const { return end_.value_or(options_.clock->Now()) - start_; }

absl::Status Execution::TakeInputs(std::vector<Value> inputs) {
  const PlannedApi& plan = api_.plan();
  if (inputs.size() != plan.inputs.size()) {
    return absl::InvalidArgumentError(StrCat("api '", plan.name, "' takes ", plan.inputs.size(),
                                             " inputs, and got ", inputs.size()));
  }
  if (!inputs.empty()) rows_ = inputs.front().rows();
  if (rows_ < 1 || (rows_ != 1 && !plan.has_rows)) {
    return absl::InvalidArgumentError(StrCat("api '", plan.name, "' takes ",
                                             plan.has_rows ? "one row or more" : "one row",
                                             ", and got ", rows_));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].rows() != rows_) {
      return absl::InvalidArgumentError(
          StrCat("input '", plan.inputs[i].name, "' has ", inputs[i].rows(), " rows, and '",
                 plan.inputs.front().name, "' ", rows_, "; give all inputs the same number"));
    }
    const size_t slot = api_.slot({ValueSource::From::kInput, i, 0});
    if (readers_[slot] > 0) values_[slot] = std::move(inputs[i]);
  }
  return absl::OkStatus();
}

void Execution::MakeReady(size_t step) {
  (api_.runner(step) != nullptr ? ready_calls_ : ready_functions_).push_back(step);
}

void Execution::Advance() {
  absl::Status status = StartReady();
  if (!status.ok()) return Finish(std::move(status));
  if (steps_left_ > 0) return;
  std::vector<Value> outputs;
  outputs.reserve(api_.plan().outputs.size());
  for (const PlannedOutput& output : api_.plan().outputs) outputs.push_back(Take(output.source));
  if (options_.monitored) {
    for (const auto& value : api_.plan().monitor->values) {
      monitored_.values.push_back(Take(value.source));
    }
  }
  Finish(std::move(outputs));
}

absl::Status Execution::StartReady() {
  while (!ready_calls_.empty() || !ready_functions_.empty()) {
    for (const size_t step : std::exchange(ready_calls_, {})) RETURN_IF_ERROR(StartStep(step));
    if (ready_functions_.empty()) continue;
    const size_t function = ready_functions_.back();
    ready_functions_.pop_back();
    RETURN_IF_ERROR(StartStep(function));
  }
  return absl::OkStatus();
}

absl::Status Execution::StartStep(size_t index) {
  const PlannedStep& step = api_.plan().steps[index];
  const PlannedCall* call = step.call();
  const absl::Duration now = elapsed();
  steps_[index].timing = timeline_.size();
  timeline_.push_back(StepTiming{.name = step.name,
                                 .runner = call != nullptr ? std::string_view(call->runner) : "",
                                 .start = now,
                                 .end = now,
                                 .step = index});
  absl::Status status = absl::OkStatus();
  if (start_ + now >= deadline_) {
    status = absl::DeadlineExceededError("the request's time was up before it started");
  } else if (call != nullptr) {
    status = StartCall(index, *call);
  } else {
    status = RunFunction(index, *step.function());
  }
  return status.ok() ? status : InStep(step, status);
}

absl::Status Execution::StartCall(size_t index, const PlannedCall& planned) {
  const PlannedStep& step = api_.plan().steps[index];
  Call call{.method = &planned.method,
            .signature = &planned.signature,
            .inputs = {},
            .rows = rows_,
            .deadline = deadline_,
            .retries = planned.retries,
            .request_id = options_.request_id,
            .trace = options_.trace};
  if (step.timeout.has_value()) {
    call.deadline = std::min(deadline_, start_ + timeline_.back().start + *step.timeout);
  }
  call.inputs.reserve(step.arguments.size());
  for (size_t i = 0; i < step.arguments.size(); ++i) {
    if (const auto* literal = std::get_if<Value>(&step.arguments[i])) {
      // Where the rows go one by one, each call is given the same.
      ASSIGN_OR_RETURN(Value value, RepeatRow(*literal, planned.signature.batchable ? rows_ : 1));
      call.inputs.push_back(std::move(value));
      continue;
    }
    call.inputs.push_back(Take(std::get<ValueSource>(step.arguments[i])));
    RETURN_IF_ERROR(CheckType(call.inputs.back(), planned.signature.inputs[i]));
  }
  auto done = [this, index](absl::StatusOr<CallResult> result) {
    OnResult(index, std::move(result));
  };
  Runner& runner = *api_.runner(index);
  if (rows_ <= RowsPerCall(planned.signature)) {
    steps_[index].pending = runner.Start(std::move(call), std::move(done));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(steps_[index].pending, StartRowCalls(runner, std::move(call), std::move(done)));
  return absl::OkStatus();
}

absl::Status Execution::RunFunction(size_t index, const StepFunction& function) {
  const PlannedApi& plan = api_.plan();
  std::vector<Value> inputs;
  inputs.reserve(plan.steps[index].arguments.size());
  for (const CallArgument& argument : plan.steps[index].arguments) {
    inputs.push_back(Take(std::get<ValueSource>(argument)));
  }
  FunctionContext context{.service = plan.service,
                          .api = plan.name,
                          .request_id = options_.request_id,
                          .trace = options_.trace};
  if (options_.monitored) {
    context.record = [this](std::string json) { monitored_.records.push_back(std::move(json)); };
  }
  ASSIGN_OR_RETURN(Value output, function.Run(inputs, context));
  StepTiming& timing = timeline_.back();
  timing.end = elapsed();
  timing.spent.compute = timing.end - timing.start;
  timing.done = true;
  std::vector<Value> outputs;
  outputs.push_back(std::move(output));
  return EndStep(index, std::move(outputs));
}

void Execution::OnResult(size_t index, absl::StatusOr<CallResult> result) {
  steps_[index].pending.reset();
  StepTiming& timing = timeline_[steps_[index].timing];
  timing.end = elapsed();
  absl::Status status = result.status();
  if (result.ok()) {
    timing.spent = result->timings;
    timing.executions = std::move(result->executions);
    status = EndStep(index, std::move(result->outputs));
    timing.done = status.ok();
  }
  if (!status.ok()) return Finish(InStep(api_.plan().steps[index], status));
  Advance();
}

absl::Status Execution::EndStep(size_t index, std::vector<Value> outputs) {
  const PlannedStep& step = api_.plan().steps[index];
  if (outputs.size() != step.outputs.size()) {
    return absl::InternalError(
        StrCat("it gave ", outputs.size(), " outputs, and declares ", step.outputs.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].rows() != rows_) {
      return absl::InternalError(StrCat("its output '", step.outputs[i].name, "' has ",
                                        outputs[i].rows(), " rows for ", rows_));
    }
    const size_t slot = api_.slot({ValueSource::From::kStep, index, i});
    if (readers_[slot] > 0) values_[slot] = std::move(outputs[i]);
  }
  --steps_left_;
  for (const size_t fed : step.feeds) {
    if (--steps_[fed].waiting_for == 0) MakeReady(fed);
  }
  return absl::OkStatus();
}

Value Execution::Take(const ValueSource& source) {
  const size_t slot = api_.slot(source);
  if (--readers_[slot] > 0) return values_[slot];
  return std::exchange(values_[slot], Value{});
}

void Execution::Finish(absl::StatusOr<std::vector<Value>> result) {
  end_ = options_.clock->Now();
  for (StepState& step : steps_) {
    if (step.pending == nullptr) continue;
    step.pending.reset();
    timeline_[step.timing].end = elapsed();
  }
  values_.clear();
  result_ = std::move(result);
  if (!starting_) return Deliver();
  posted_ = std::make_shared<Execution*>(this);
  options_.post([posted = posted_] {
    if (*posted != nullptr) (*posted)->Deliver();
  });
}

void Execution::Deliver() {
  // Both moved out first, for `done` may destroy this.
  Done done = std::move(done_);
  absl::StatusOr<std::vector<Value>> result = std::move(result_);
  done(std::move(result));
}

}  // namespace tiffin::gateway
