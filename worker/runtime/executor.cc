#include "worker/runtime/executor.h"

#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/runtime/call_outputs.h"

namespace tiffin::worker {

Executor::Executor(Backend& backend, CallQueue& queue, const Clock& clock)
    : backend_(backend), queue_(queue), clock_(clock) {
  for (int i = 0; i < backend.concurrency(); ++i) threads_.emplace_back([this] { Run(); });
}

Executor::~Executor() {
  queue_.Close();
  for (std::thread& thread : threads_) thread.join();
}

void Executor::Run() {
  while (const std::shared_ptr<QueuedCall> call = queue_.Pop()) {
    const bool expired = clock_.Now() >= call->deadline;
    if (!call->Take(expired ? QueuedCall::State::kDropped : QueuedCall::State::kExecuting))
      continue;
    if (expired) {
      EndCall(*call, absl::DeadlineExceededError("the deadline passed while the call was queued"));
      continue;
    }
    ++executing_;
    Execute(*call);
    --executing_;
  }
}

namespace {

// Framed elements are looked at here, on the model's thread: the gateway passes them on unread.
absl::Status ValidateInputs(const QueuedCall& call) {
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (const absl::Status valid = ValidateTensor(call.inputs[i]); !valid.ok()) {
      return absl::InvalidArgumentError(
          StrCat("input '", call.signature->inputs[i].name, "': ", valid.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void Executor::Execute(QueuedCall& call) {
  const absl::Time started = clock_.Now();
  if (const absl::Status valid = ValidateInputs(call); !valid.ok()) {
    EndCall(call, valid);
    return;
  }
  CallOutputs outputs(call);
  const auto abandoned = [&] { return call.cancelled || clock_.Now() >= call.deadline; };
  const Invocation invocation{
      .method = call.method, .inputs = call.inputs, .rows = call.rows, .abandoned = abandoned};
  absl::Status status = backend_.Run(invocation, outputs);
  if (status.ok()) status = outputs.CheckComplete();
  if (!status.ok()) {
    EndCall(call, status);
    return;
  }
  const absl::Time ended = clock_.Now();
  v1::Result result;
  result.set_call(call.id);
  result.set_queue_us(static_cast<uint64_t>(absl::ToInt64Microseconds(started - call.received)));
  result.set_compute_us(static_cast<uint64_t>(absl::ToInt64Microseconds(ended - started)));
  outputs.MoveTo(result);
  call.peer->RemoveCall(call.id);
  call.peer->calls().Add([&](v1::Frame& frame) { *frame.mutable_result() = std::move(result); });
  call.peer->calls().Flush();
}

}  // namespace tiffin::worker
