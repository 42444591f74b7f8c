#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/session/outgoing_pieces.h"
#include "gateway/dispatch/segments.h"
#include "gateway/graph/runner.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::gateway {

// What the calls of a session bring along: it lies in segments, which the worker is told of before
// a call names them, unless it is small. Owned by a session; on the loop's thread.
class CallInputs {
 public:
  using Held = std::vector<std::shared_ptr<const Buffer>>;

  // `announce` tells the worker of a segment. Null: nothing is shared with it, and what is not
  // small travels in pieces. The memory outlives it.
  CallInputs(GatewayMemory& memory, absl::AnyInvocable<void(const SegmentName&)> announce);

  // What the inputs of `call` will lie in while it runs, in order. RESOURCE_EXHAUSTED: one has no
  // room in a segment.
  absl::StatusOr<Held> Hold(const Call& call);
  // Says in `execute`, which has its id, what is to be run on them, and names them. What is to be
  // sent after it, in pieces.
  absl::StatusOr<std::vector<session::OutgoingTensor>> Fill(const Call& call, const Held& held,
                                                            worker::v1::Execute& execute);
  // No segment of this id will be named any more. True: the worker knows it.
  bool Forget(uint64_t segment) { return announced_.erase(segment) > 0; }

 private:
  absl::StatusOr<std::shared_ptr<const Buffer>> HoldInput(const Value& value);
  absl::Status FillInput(DataType dtype, const Shape& shape, const Buffer& buffer,
                         worker::v1::Tensor& tensor);

  GatewayMemory& memory_;
  absl::AnyInvocable<void(const SegmentName&)> announce_;
  absl::flat_hash_set<uint64_t> announced_;
};

}  // namespace tiffin::gateway
