#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/session/incoming_pieces.h"
#include "gateway/dispatch/segments.h"
#include "gateway/dispatch/worker_result.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::gateway {

// Results whose outputs come in pieces, from when a worker promised them until they are whole, or
// nobody wants them any more. Owned by a session; on the loop's thread.
class PiecedResults {
 public:
  // One whose outputs are all there.
  struct Whole {
    worker::v1::Result result;
    PiecedOutputs outputs;
  };

  // The memory outlives it.
  explicit PiecedResults(GatewayMemory& memory) : memory_(memory) {}

  // Makes room for what `result` promises, which fits its call. RESOURCE_EXHAUSTED, whatever the
  // reason: there is none, and the pieces are expected as Skip does. INTERNAL: the worker can't
  // promise that.
  absl::Status Expect(const worker::v1::Result& result);
  // The outputs of `result` come, until the worker was told to stop, and are not wanted.
  absl::Status Skip(const worker::v1::Result& result);
  // The result that became whole by this piece, if one did. INTERNAL: nobody promised it.
  absl::StatusOr<std::optional<Whole>> Add(const worker::v1::Piece& piece);
  // Lets go of what has come of the call's outputs, and skips the rest. False: it waits for none.
  bool Discard(uint64_t call);
  // The worker sends no more of a call's outputs. INTERNAL: some were to come, and are wanted, or
  // none were.
  absl::Status Stopped(uint64_t call);
  void Clear();

 private:
  absl::Status ExpectPieces(uint64_t call, std::vector<session::IncomingPieces::Place> places);

  GatewayMemory& memory_;
  session::IncomingPieces pieces_;
  absl::flat_hash_map<uint64_t, Whole> wanted_;  // Whose `outputs` are being filled.
};

}  // namespace tiffin::gateway
