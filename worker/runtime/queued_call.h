#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "tiffin/worker/v1/worker.pb.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/input_segment.h"
#include "worker/runtime/peer.h"

namespace tiffin::worker {

CallOrigin OriginOf(const v1::Execute& execute);

// A call from its frame to its result.
struct QueuedCall {
  // kWaiting -> kExecuting -> ended (removed from its peer)
  // kWaiting -> kDropped: cancelled or expired; answered by who dropped it, and never executed
  enum class State { kWaiting, kExecuting, kDropped };

  std::shared_ptr<Peer> peer;
  uint64_t gateway = 0;  // Who sent it, by whichever of its sessions.
  uint64_t id = 0;
  CallOrigin origin;
  std::string method;
  const MethodSignature* signature = nullptr;  // The worker's, as it describes itself.
  std::vector<TensorView> inputs;
  // What the inputs' bytes lie in: copies of inline ones, and segments.
  std::vector<std::shared_ptr<const void>> holds;
  struct SharedInput {
    std::shared_ptr<InputSegment> segment;
    InputSegment::Mapping mapping;
    std::span<const std::byte> bytes;
  };
  std::vector<SharedInput> shared;
  // Where inputs that come in pieces go, in their order; of use until they have come.
  std::vector<std::byte*> promised;
  int64_t rows = 1;
  bool alone = false;  // Shares no execution.
  absl::Time received;
  absl::Time deadline;
  std::atomic<State> state = State::kWaiting;
  // Nobody waits for the result any more. Of use while it executes.
  std::atomic<bool> cancelled = false;

  // True for the one who takes it out of kWaiting.
  bool Take(State to) {
    State expected = State::kWaiting;
    return state.compare_exchange_strong(expected, to);
  }
};

// Ends a call without executing it or after it failed: sends its result and forgets it.
void EndCall(QueuedCall& call, const absl::Status& status);

// A line of the log, that names the request.
void LogFailure(const CallOrigin& origin, std::string_view method, const absl::Status& status);

}  // namespace tiffin::worker
