#pragma once

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/byte_budget.h"
#include "common/signature.h"
#include "tiffin/worker/v1/worker.pb.h"
#include "worker/runtime/input_segment.h"
#include "worker/runtime/peer.h"
#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

// By the gateway's id. Shared with the calls that read them.
using InputSegments = absl::flat_hash_map<uint64_t, std::shared_ptr<InputSegment>>;

// What calls of a session are made of.
struct CallParts {
  const std::shared_ptr<Peer>& peer;  // Shared with the calls.
  uint64_t gateway;
  const Signature& signature;
  const InputSegments& segments;
  const ByteBudget& incoming;  // What inputs that come in pieces may have together.
  const std::shared_ptr<ByteBudget::Tenant>& tenant;  // The gateway, where some do.
};

// The call that `execute` asks for, without its times. All segments that it names must be known;
// for inputs that come in pieces it has room, which is not filled. NOT_FOUND, INVALID_ARGUMENT: it
// doesn't fit the signature. RESOURCE_EXHAUSTED: there is no room.
absl::StatusOr<std::shared_ptr<QueuedCall>> MakeCall(const v1::Execute& execute,
                                                     const CallParts& parts);

}  // namespace tiffin::worker
