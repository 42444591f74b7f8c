#include "worker/runtime/executor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "common/log/log.h"
#include "common/log/request_fields.h"
#include "common/session/frames_arena.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/runtime/batch_inputs.h"
#include "worker/runtime/fault_recorder.h"

namespace tiffin::worker {
namespace {

// An execution that takes longer than this is for a model's thread: the one that reads frames would
// be away from them for too long.
constexpr absl::Duration kShort = absl::Microseconds(200);
// Small inputs, and those of not many times the last ones' bytes, take about as long as others.
constexpr size_t kSmallBytes = 64 << 10;
constexpr size_t kMuchLarger = 4;

size_t InputBytes(const QueuedCall& call) {
  size_t bytes = 0;
  for (const TensorView& input : call.inputs) bytes += input.bytes.size();
  return bytes;
}

}  // namespace

Executor::Executor(Backend& backend, CallQueue& queue, session::ExecutingPage& page,
                   const Clock& clock)
    : backend_(backend), queue_(queue), page_(page), clock_(clock) {
  for (int i = 0; i < backend.concurrency(); ++i) threads_.emplace_back([this] { Run(); });
}

Executor::~Executor() {
  queue_.Close();
  queue_.AwaitNoneHere();
  for (std::thread& thread : threads_) thread.join();
}

void Executor::Run() {
  const SignalStack signal_stack;
  while (std::optional<Batch> batch = queue_.Pop()) Execute(*std::move(batch));
}

bool Executor::ExecutesHere() const {
  return threads_.size() == 1 && longest_ns_ <= absl::ToInt64Nanoseconds(kShort);
}

void Executor::Note(absl::Duration took, size_t bytes) {
  last_bytes_ = bytes;
  const int64_t before = longest_ns_;
  longest_ns_ = before == std::numeric_limits<int64_t>::max()
                    ? absl::ToInt64Nanoseconds(took)
                    : std::max(absl::ToInt64Nanoseconds(took), before - before / 16);
}

void Executor::SubmitHere(std::shared_ptr<QueuedCall> call, Loop& loop) {
  const size_t bytes = InputBytes(*call);
  if (!loop.of_run() && ExecutesHere() &&
      (bytes <= kSmallBytes || bytes / kMuchLarger <= last_bytes_)) {
    queue_.Hold();
    loop.AfterTurn([this] { RunHere(); });
  }
  queue_.Push(std::move(call));
}

void Executor::RunHere() {
  thread_local const SignalStack signal_stack;
  if (!ExecutesHere()) {  // The turn brought several, and the first ones took long.
    queue_.Unhold();
    return;
  }
  std::optional<Batch> batch = queue_.TakeHere();
  if (!batch.has_value()) return;
  Execute(*std::move(batch));
  queue_.Done();
}

namespace {

// Framed elements are looked at here, by who executes: the gateway passes them on unread.
absl::Status ValidateInputs(const QueuedCall& call) {
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (const absl::Status valid = ValidateTensor(call.inputs[i]); !valid.ok()) {
      return absl::InvalidArgumentError(
          StrCat("input '", call.signature->inputs[i].name, "': ", valid.message()));
    }
  }
  return absl::OkStatus();
}

void LogAnswer(const QueuedCall& call, const v1::Result& result) {
  log::Fields fields = log::RequestFields(call.origin.request_id, call.origin.trace);
  fields.Add({"method", call.method});
  fields.Add({"rows", call.rows});
  fields.Add({"queue_us", result.queue_us()});
  fields.Add({"batch_us", result.batch_us()});
  fields.Add({"compute_us", result.compute_us()});
  log::Record(log::Level::kDebug, "call", fields);
}

uint64_t Microseconds(absl::Duration duration) {
  return static_cast<uint64_t>(absl::ToInt64Microseconds(duration));
}

}  // namespace

void Executor::Execute(Batch batch) {
  const auto calls = static_cast<int>(batch.calls.size());
  executing_ += calls;
  ExecuteAll(std::move(batch));
  executing_ -= calls;
}

void Executor::ExecuteAll(Batch batch) {
  for (const auto& call : batch.expired) {
    EndCall(*call, absl::DeadlineExceededError("the deadline passed while the call was queued"));
  }
  if (batch.calls.empty()) return;
  // Before anything looks at what they bring, and until they are answered: one that is on no page
  // when its worker ends counts as one that never began.
  std::optional<session::ExecutingPage::Listing> listing(List(batch.calls));
  std::erase_if(batch.calls, [](const std::shared_ptr<QueuedCall>& call) {
    const absl::Status valid = ValidateInputs(*call);
    if (!valid.ok()) EndCall(*call, valid);
    return !valid.ok();
  });
  if (batch.calls.empty()) return;
  const absl::Status ran = ExecuteTogether(batch.calls, batch.waited);
  if (ran.ok()) return;
  if (batch.calls.size() == 1 || absl::IsCancelled(ran)) {
    for (const auto& call : batch.calls) EndCall(*call, ran);
  } else {
    listing.reset();
    ExecuteOneByOne(batch.calls, batch.waited);
  }
}

void Executor::ExecuteOneByOne(Calls calls, absl::Duration waited) {
  for (const std::shared_ptr<QueuedCall>& call : calls) {
    const session::ExecutingPage::Listing listing = List(Calls(&call, 1));
    absl::Status ran = absl::CancelledError("nobody waits for the call any more");
    if (!IsAbandoned(*call)) ran = ExecuteTogether(Calls(&call, 1), waited);
    if (!ran.ok()) EndCall(*call, ran);
  }
}

namespace {

// What an execution reads and writes.
struct Execution {
  explicit Execution(std::span<const std::shared_ptr<QueuedCall>> together)
      : calls(together.begin(), together.end()), inputs(calls), outputs(calls) {}

  const std::vector<std::shared_ptr<QueuedCall>> calls;
  const BatchInputs inputs;
  CallOutputs outputs;
};

absl::Status FreezeInputs(std::span<const std::shared_ptr<QueuedCall>> calls) {
  for (const auto& call : calls) {
    for (const QueuedCall::SharedInput& input : call->shared) {
      RETURN_IF_ERROR(input.segment->Freeze(input.mapping, input.bytes));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Executor::ExecuteTogether(Calls calls, absl::Duration waited) {
  const absl::Time started = clock_.Now();
  // Shared: with a backend that has to keep it.
  const auto execution = std::make_shared<Execution>(calls);
  const BatchInputs& inputs = execution->inputs;
  CallOutputs& outputs = execution->outputs;
  const auto abandoned = [&] {
    return std::all_of(calls.begin(), calls.end(),
                       [&](const auto& call) { return IsAbandoned(*call); });
  };
  const auto time_left = [&] {
    absl::Time last = absl::InfinitePast();
    for (const auto& call : calls) last = std::max(last, call->deadline);
    return last - clock_.Now();
  };
  const auto origins = [&] {
    std::vector<CallOrigin> all;
    for (const auto& call : calls) all.push_back(call->origin);
    return all;
  };
  const auto keep = [&]() -> absl::StatusOr<std::shared_ptr<const void>> {
    RETURN_IF_ERROR(FreezeInputs(calls));
    return execution;
  };
  const Invocation invocation{.method = calls.front()->method,
                              .inputs = inputs.views(),
                              .rows = inputs.rows(),
                              .abandoned = abandoned,
                              .time_left = time_left,
                              .origins = origins,
                              .keep = keep};
  const absl::Status ran = backend_.Run(invocation, outputs);
  const absl::Time ended = clock_.Now();
  size_t bytes = 0;
  for (const auto& call : calls) bytes += InputBytes(*call);
  Note(ended - started, bytes);
  RETURN_IF_ERROR(ran);
  RETURN_IF_ERROR(outputs.Finish());
  Answer(calls, outputs,
         {.started = started, .ended = ended, .waited = waited, .rows = inputs.rows()});
  queue_.Learn(*calls.front(), inputs.rows(), ended - started);
  return absl::OkStatus();
}

session::ExecutingPage::Listing Executor::List(Calls calls) {
  absl::InlinedVector<session::ExecutingCall, 4> executing;
  for (const auto& call : calls) {
    executing.push_back({.session = call->peer->session(), .call = call->id});
  }
  // It shares no execution.
  const bool trial = calls.front()->alone;
  return page_.List(
      executing, trial ? session::ExecutingPage::Trial::kYes : session::ExecutingPage::Trial::kNo);
}

void Executor::Answer(Calls calls, CallOutputs& outputs, const Times& times) {
  int64_t untold_rows = times.rows;
  session::FramesArena scratch;
  for (size_t i = 0; i < calls.size(); ++i) {
    QueuedCall& call = *calls[i];
    // Not built in the frame: that is done under the writer's lock.
    scratch.Reset();
    v1::Result& result = *scratch.frames().add_frames()->mutable_result();
    result.set_call(call.id);
    // Of the time from its arrival on, the last part passed because the model waited for others.
    const absl::Duration queued = times.started - call.received;
    const absl::Duration waited = std::min(times.waited, queued);
    result.set_queue_us(Microseconds(queued - waited));
    result.set_batch_us(Microseconds(waited));
    result.set_compute_us(Microseconds(times.ended - times.started));
    auto sent = outputs.MoveTo(i, result);
    if (!sent.ok()) {
      EndCall(call, sent.status());
      continue;
    }
    result.set_executed_rows(static_cast<uint64_t>(std::exchange(untold_rows, 0)));
    if (log::Enabled(log::Level::kDebug)) LogAnswer(call, result);
    call.peer->calls().Add([&](v1::Frame& frame) { *frame.mutable_result() = result; },
                           *std::move(sent));
    // Not before, so that a Cancel finds either the call or its outputs.
    call.peer->RemoveCall(call.id);
    if (call.cancelled) call.peer->StopOutputs(call.id);
  }
  // The answers of a batch go in one message.
  for (size_t i = 0; i < calls.size(); ++i) {
    if (i + 1 == calls.size() || calls[i]->peer != calls[i + 1]->peer) {
      calls[i]->peer->calls().Flush();
    }
  }
}

}  // namespace tiffin::worker
