#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/signature.h"
#include "gateway/dispatch/segments.h"
#include "gateway/dispatch/worker_buffer.h"
#include "gateway/graph/runner.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::gateway {

// A session's segments, by the worker's index. Shared with the buffers in them.
using WorkerSegments = absl::flat_hash_map<uint64_t, std::shared_ptr<WorkerSegment>>;

// What a call's outputs have to fit.
struct CallForm {
  const MethodSignature& signature;
  int64_t rows = 1;
};

// What outputs that came in pieces lie in, in their order.
using PiecedOutputs = std::vector<std::shared_ptr<const SegmentBuffer>>;

// What a result says will come in pieces, checked against the call's form before anything is kept
// for it. An error: a worker that keeps to its own signature can't say that.
absl::Status CheckPromised(const worker::v1::Result& result, const CallForm& call);

// A result's outputs, checked against the call's form. All segments that they name must be known,
// and what comes in pieces must have come.
// The lease of them, at `session`, is made first, so that a refused result is released too.
absl::StatusOr<CallResult> TakeResult(const worker::v1::Result& result, const CallForm& call,
                                      const WorkerSegments& segments,
                                      const std::shared_ptr<WorkerSession*>& session,
                                      const PiecedOutputs& in_pieces = {});

}  // namespace tiffin::gateway
