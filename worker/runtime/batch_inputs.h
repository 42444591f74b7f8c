#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/tensor.h"
#include "worker/runtime/queued_call.h"

namespace tiffin::worker {

// The inputs of calls that run together: row after row in memory of its own, a buffer an input. A
// single call's are its own, not copied. Lives no longer than the calls.
class BatchInputs {
 public:
  // At least one call; their inputs are alike but for the rows.
  explicit BatchInputs(std::span<const std::shared_ptr<QueuedCall>> calls);

  std::span<const TensorView> views() const { return views_; }
  int64_t rows() const { return rows_; }

 private:
  std::span<const TensorView> views_;
  int64_t rows_ = 0;
  std::vector<TensorView> gathered_;
  std::vector<AlignedBuffer> memory_;
};

}  // namespace tiffin::worker
