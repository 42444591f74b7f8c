#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// Outputs in plain memory, for tests of backends. Checks what Outputs asks of a backend.
class MemoryOutputs : public Outputs {
 public:
  // The most bytes that all outputs together may have.
  explicit MemoryOutputs(uint64_t limit = UINT64_MAX) : left_(limit) {}

  absl::StatusOr<std::span<std::byte>> Allocate(size_t index, DataType dtype,
                                                std::span<const int64_t> shape,
                                                uint64_t byte_size) override {
    if (outputs_.contains(index)) return absl::InternalError("an output was allocated twice");
    if (dtype != DataType::kBytes) {
      const absl::StatusOr<uint64_t> size = ByteSize(dtype, shape);
      if (!size.ok() || *size != byte_size)
        return absl::InternalError("the size is not the shape's");
    }
    if (byte_size > left_) return absl::ResourceExhaustedError("no room for the output");
    left_ -= byte_size;
    std::vector<Line>& memory = memories_.emplace_back(byte_size / sizeof(Line) + 1);
    const std::span<std::byte> bytes(memory[0].bytes, byte_size);
    outputs_[index] = {dtype, Shape(shape.begin(), shape.end()), bytes};
    return bytes;
  }

  size_t size() const { return outputs_.size(); }
  const TensorView& at(size_t index) const { return outputs_.at(index); }
  template <typename T>
  std::vector<T> Values(size_t index) const {
    const std::span<const T> values = at(index).As<T>();
    return {values.begin(), values.end()};
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };

  uint64_t left_;
  std::deque<std::vector<Line>> memories_;
  std::map<size_t, TensorView> outputs_;
};

}  // namespace tiffin::worker
