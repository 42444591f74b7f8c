#include "gateway/dispatch/session_calls.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// Of one session. An honest worker's are of 4 MiB at least, and most of 64.
constexpr size_t kMaxSegments = 1024;

CallForm FormOf(const SessionCalls::Record& record) {
  return {.signature = *record.signature, .rows = record.rows};
}

}  // namespace

SessionCalls::SessionCalls(Loop& loop, GatewayMemory& memory, Options options, Events events)
    : loop_(loop), options_(std::move(options)), events_(std::move(events)), pieced_(memory) {}

void SessionCalls::Abandon(uint64_t call) {
  const auto record = records_.find(call);
  if (record == records_.end()) return;
  events_.keep_inputs_back(call);
  events_.cancel(call);
  if (pieced_.Discard(call)) {
    records_.erase(record);  // It has ended at the worker.
    events_.ended();
  } else {
    record->second.done = nullptr;
  }
}

absl::Status SessionCalls::OnResult(const worker::v1::Result& result) {
  const auto record = records_.find(result.call());
  if (record == records_.end() || record->second.answered) {
    return absl::InternalError(
        StrCat("the worker answered call ", result.call(), ", which it was not given"));
  }
  bool promises = false;
  for (const worker::v1::Tensor& tensor : result.outputs()) {
    promises = promises || tensor.in_pieces();
    if (options_.shares_memory ? !tensor.in_pieces() : tensor.segment() == 0) continue;
    return absl::InternalError(options_.shares_memory
                                   ? "the worker sent a tensor in pieces, and shares memory"
                                   : "the worker named a segment, and shares none");
  }
  // It ended before its inputs had come: the rest needn't.
  if (!options_.shares_memory && events_.keep_inputs_back(result.call())) {
    if (promises) {
      return absl::InternalError("the worker made outputs of inputs that it doesn't have");
    }
    events_.cancel(result.call());
  }
  if (promises) return AwaitPieces(result, record->second);
  const bool waits = std::any_of(
      result.outputs().begin(), result.outputs().end(), [this](const worker::v1::Tensor& tensor) {
        return tensor.segment() != 0 && !segments_.contains(tensor.segment());
      });
  if (waits) {
    // One for each call: a worker that answers one again and again doesn't fill our memory.
    if (std::exchange(record->second.parked, true)) {
      return absl::InternalError(StrCat("the worker answered call ", result.call(), " twice"));
    }
    parked_.push_back(result);
    return absl::OkStatus();
  }
  record->second.answered = true;
  Deliver(result.call(), TakeResult(result, FormOf(record->second), segments_, options_.session));
  return absl::OkStatus();
}

absl::Status SessionCalls::AwaitPieces(const worker::v1::Result& result, Record& record) {
  record.answered = true;
  RETURN_IF_ERROR(CheckPromised(result, FormOf(record)));
  if (record.done == nullptr) {  // The worker was told.
    RETURN_IF_ERROR(pieced_.Skip(result));
    Deliver(result.call(), absl::CancelledError("nobody waits for it"));
    return absl::OkStatus();
  }
  absl::Status expected = pieced_.Expect(result);
  if (!absl::IsResourceExhausted(expected)) return expected;
  events_.cancel(result.call());
  Deliver(result.call(), std::move(expected));
  return absl::OkStatus();
}

absl::Status SessionCalls::OnPiece(const worker::v1::Piece& piece) {
  ASSIGN_OR_RETURN(const std::optional<PiecedResults::Whole> whole, pieced_.Add(piece));
  if (!whole.has_value()) return absl::OkStatus();
  Deliver(piece.call(), TakeResult(whole->result, FormOf(records_.at(piece.call())), segments_,
                                   options_.session, whole->outputs));
  return absl::OkStatus();
}

absl::Status SessionCalls::OnSegment(uint64_t index, std::shared_ptr<WorkerSegment> segment) {
  // Each is a descriptor of this process.
  if (segments_.size() >= kMaxSegments) {
    return absl::InternalError(
        StrCat("the worker announced more than ", kMaxSegments, " segments"));
  }
  segments_[index] = std::move(segment);
  std::vector<worker::v1::Result> parked;
  parked.swap(parked_);
  for (const worker::v1::Result& result : parked) {
    if (const auto record = records_.find(result.call()); record != records_.end()) {
      record->second.parked = false;
    }
    RETURN_IF_ERROR(OnResult(result));
  }
  return absl::OkStatus();
}

void SessionCalls::Deliver(uint64_t call, absl::StatusOr<CallResult> result) {
  if (deliveries_.empty()) {
    loop_.Defer([self = self_] {
      if (*self != nullptr) (*self)->DeliverResults();
    });
  }
  deliveries_.push_back({call, std::move(result)});
}

void SessionCalls::DeliverResults() {
  std::vector<Delivery> deliveries;
  deliveries.swap(deliveries_);
  const std::shared_ptr<SessionCalls*> self = self_;  // A caller may end everything.
  for (Delivery& delivery : deliveries) {
    if (*self == nullptr) return;
    const auto record = records_.find(delivery.call);
    if (record == records_.end()) continue;  // Lost meanwhile, and failed.
    // The worker reads this call's inputs no more.
    CallDone done = std::move(record->second.done);
    records_.erase(record);
    if (done != nullptr) std::move(done)(std::move(delivery.result));
  }
  if (*self != nullptr) events_.ended();
}

void SessionCalls::Close() {
  pieced_.Clear();
  parked_.clear();
  segments_.clear();
}

void SessionCalls::LeaveWorker() {
  for (auto& [id, record] : records_) record.place = RunnerLoad::Place();
}

void SessionCalls::Fail(const absl::flat_hash_map<uint64_t, Interruption>& how,
                        const std::string& message) {
  const std::shared_ptr<SessionCalls*> self = self_;  // A caller may end everything.
  while (*self != nullptr && !records_.empty()) {
    const auto record = records_.begin();
    const Interruption interruption = how.at(record->first);
    CallDone done = std::move(record->second.done);
    records_.erase(record);
    if (done != nullptr) std::move(done)(Interrupted(interruption, message));
  }
}

}  // namespace tiffin::gateway
