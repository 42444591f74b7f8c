#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "common/aligned_buffer.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/call_queue.h"

namespace tiffin::worker {

// The outputs of one execution: small ones in heap memory that ends up in the frame, others in the
// peer's segments. What is not sent is given back by the destructor. On the model's thread.
class CallOutputs : public Outputs {
 public:
  explicit CallOutputs(const QueuedCall& call);
  ~CallOutputs() override;
  CallOutputs(const CallOutputs&) = delete;
  CallOutputs& operator=(const CallOutputs&) = delete;

  absl::StatusOr<std::span<std::byte>> Allocate(size_t index, DataType dtype,
                                                std::span<const int64_t> shape,
                                                uint64_t byte_size) override;

  // An error if the backend left an output out.
  absl::Status CheckComplete() const;
  // Writes the outputs into `result`; those in segments are leased to the call from then on.
  void MoveTo(v1::Result& result);

 private:
  struct Output {
    DataType dtype = DataType::kInvalid;
    Shape shape;
    std::span<std::byte> bytes;
    std::optional<shm::Allocation> allocation;  // None: inline, in `memory`.
    AlignedBuffer memory;
  };

  const QueuedCall& call_;
  std::vector<Output> outputs_;
};

}  // namespace tiffin::worker
