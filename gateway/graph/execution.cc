#include "gateway/graph/execution.h"

#include <algorithm>
#include <span>
#include <utility>

#include "common/signature.h"
#include "common/strings.h"
#include "gateway/graph/graph_execution.h"
#include "gateway/graph/program_execution.h"
#include "gateway/graph/row_calls.h"

namespace tiffin::gateway {
namespace {

// Messages travel in headers, whose size is limited.
constexpr size_t kMaxMessage = 1024;
constexpr std::string_view kEllipsis = "...";

// Cuts a message at a character's first byte, not inside a character.
absl::Status Limited(const absl::Status& status) {
  if (status.message().size() <= kMaxMessage) return status;
  std::string message(Message(status));
  size_t end = kMaxMessage - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0u) == 0x80u) --end;
  message.resize(end);
  message.append(kEllipsis);
  return absl::Status(status.code(), message);
}

}  // namespace

std::unique_ptr<Execution> Execution::Start(const BoundApi& api, std::vector<Value> inputs,
                                            ExecutionOptions options, Done done) {
  std::unique_ptr<Execution> execution;
  if (api.plan().program != nullptr) {
    execution = std::make_unique<ProgramExecution>(api, std::move(options), std::move(done));
  } else {
    execution = std::make_unique<GraphExecution>(api, std::move(options), std::move(done));
  }
  const absl::Status taken = execution->CheckInputs(inputs);
  if (taken.ok()) {
    execution->Begin(std::move(inputs));
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
      result_(std::vector<Value>()) {
  timeline_.reserve(api.plan().steps.size());
}

Execution::~Execution() {
  if (posted_ != nullptr) *posted_ = nullptr;
}

absl::Duration Execution::elapsed() const { return end_.value_or(options_.clock->Now()) - start_; }

absl::Status Execution::CheckInputs(const std::vector<Value>& inputs) {
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
    if (inputs[i].rows() == rows_) continue;
    return absl::InvalidArgumentError(
        StrCat("input '", plan.inputs[i].name, "' has ", inputs[i].rows(), " rows, and '",
               plan.inputs.front().name, "' ", rows_, "; give all inputs the same number"));
  }
  return absl::OkStatus();
}

size_t Execution::BeginStep(size_t index) {
  const PlannedStep& step = api_.plan().steps[index];
  const PlannedCall* call = step.call();
  const absl::Duration now = elapsed();
  timeline_.push_back(StepTiming{.name = step.name,
                                 .runner = call != nullptr ? std::string_view(call->runner) : "",
                                 .start = now,
                                 .end = now,
                                 .step = index});
  return timeline_.size() - 1;
}

absl::Status Execution::CheckTime(size_t timing) const {
  if (start_ + timeline_[timing].start < deadline_) return absl::OkStatus();
  return absl::DeadlineExceededError("the request's time was up before it started");
}

Call Execution::CallOf(size_t timing) const {
  const StepTiming& begun = timeline_[timing];
  const PlannedStep& step = api_.plan().steps[begun.step];
  const PlannedCall& planned = *step.call();
  Call call{.method = &planned.method,
            .signature = &planned.signature,
            .inputs = {},
            .rows = rows_,
            .deadline = deadline_,
            .retries = planned.retries,
            .request_id = options_.request_id,
            .trace = options_.trace};
  if (step.timeout.has_value()) {
    call.deadline = std::min(deadline_, start_ + begun.start + *step.timeout);
  }
  return call;
}

absl::StatusOr<std::unique_ptr<PendingCall>> Execution::StartRunner(size_t step, Call call,
                                                                    CallDone done) {
  Runner& runner = *api_.runner(step);
  if (call.rows <= RowsPerCall(*call.signature)) {
    return runner.Start(std::move(call), std::move(done));
  }
  return StartRowCalls(runner, std::move(call), std::move(done));
}

absl::Status Execution::InStep(const PlannedStep& step, const absl::Status& status) {
  const PlannedCall* call = step.call();
  return absl::Status(
      status.code(),
      StrCat("step '", step.name, "' (", call != nullptr ? "runner" : "function", " '",
             call != nullptr ? call->runner : step.callee, "'): ", Message(status)));
}

absl::Status Execution::CheckType(const Value& value, const TensorSpec& spec) {
  const auto row = std::span<const int64_t>(value.shape).subspan(value.shape.empty() ? 0 : 1);
  if (value.dtype == spec.type.dtype && ShapeMatches(row, spec.type.shape)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      StrCat("its input '", spec.name, "' is ",
             ToString(TensorType(value.dtype, Shape(row.begin(), row.end()))), ", but it takes ",
             ToString(spec.type)));
}

void Execution::Finish(absl::StatusOr<std::vector<Value>> result) {
  end_ = options_.clock->Now();
  CancelAll();
  result_ = std::move(result);
  if (!result_.ok()) result_ = Limited(result_.status());
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
