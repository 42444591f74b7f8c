#pragma once

#include <vector>

#include "common/aligned_buffer.h"
#include "common/tensor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// The outputs of an execution that is nobody's call. Their memory is used again by the next one.
class HeapOutputs : public Outputs {
 public:
  explicit HeapOutputs(size_t count) : views_(count), memory_(count) {}

  absl::StatusOr<std::span<std::byte>> Allocate(size_t index, DataType dtype,
                                                std::span<const int64_t> shape,
                                                uint64_t byte_size) override {
    if (index >= views_.size()) return absl::InternalError("an output that the signature lacks");
    AlignedBuffer& memory = memory_[index];
    if (memory.bytes().size() < byte_size) memory = AlignedBuffer(byte_size);
    const std::span<std::byte> bytes = memory.bytes().first(byte_size);
    views_[index] = {.dtype = dtype, .shape = Shape(shape.begin(), shape.end()), .bytes = bytes};
    return bytes;
  }

  const std::vector<TensorView>& views() const { return views_; }

 private:
  std::vector<TensorView> views_;
  std::vector<AlignedBuffer> memory_;
};

}  // namespace tiffin::worker
