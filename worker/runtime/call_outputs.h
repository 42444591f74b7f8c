#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/aligned_buffer.h"
#include "common/session/outgoing_pieces.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

// The outputs of one execution, of one call or of several that ran together: each of these gets its
// rows. What is small travels in the frame. Otherwise an output lies in the peer's segments, once:
// calls are given references into it, and the last one to be released frees it. Where that can't be
// (rows that don't start on the boundary that references need, BYTES, calls of several peers), it
// lies in the first call's segments until each call's rows have been copied to an allocation of its
// own. So all but what frames could carry counts as the segments' limits have it. What is not sent
// is given back by the destructor. On the thread that executes; outlived by the calls.
class CallOutputs : public Outputs {
 public:
  // At least one; several are of one batchable method.
  explicit CallOutputs(std::span<const std::shared_ptr<QueuedCall>> calls);
  ~CallOutputs() override;
  CallOutputs(const CallOutputs&) = delete;
  CallOutputs& operator=(const CallOutputs&) = delete;

  absl::StatusOr<std::span<std::byte>> Allocate(size_t index, DataType dtype,
                                                std::span<const int64_t> shape,
                                                uint64_t byte_size) override;

  // To be called once the backend has run: an error if it left an output out, or made one whose
  // rows can't be told apart.
  absl::Status Finish();
  // Writes the outputs of one of the calls into `result`; those in segments are leased to it from
  // then on, or, where they are not shared, are what is returned, to be sent after `result`.
  // RESOURCE_EXHAUSTED if its rows had to be copied and there is no room. Once for each.
  absl::StatusOr<std::vector<session::OutgoingTensor>> MoveTo(size_t call, v1::Result& result);

 private:
  struct Output {
    DataType dtype = DataType::kInvalid;
    Shape shape;
    std::span<std::byte> bytes;
    std::optional<shm::Allocation> allocation;  // None: in `memory`.
    bool shared = false;                        // Calls are given references into it.
    size_t holders = 0;                         // Those that are left to give it back.
    AlignedBuffer memory;
    absl::InlinedVector<uint64_t, 2> ends;  // In bytes: where each call's rows end.
  };

  // True if calls can be given references into one allocation.
  bool CanBeShared(uint64_t row_size) const;
  // Fills `ends`.
  absl::Status Divide(Output& output, const TensorSpec& spec) const;

  const std::span<const std::shared_ptr<QueuedCall>> calls_;
  const MethodSignature& signature_;
  int64_t rows_ = 0;
  std::vector<Output> outputs_;
};

}  // namespace tiffin::worker
