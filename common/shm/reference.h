#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tensor.h"

namespace tiffin::shm {

inline constexpr uint64_t kAlignment = 64;

// A tensor inside a segment, as a frame names it.
struct Reference {
  uint64_t segment = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  DataType dtype = DataType::kInvalid;
  Shape shape;
};

// The tensor, after checks that trust nothing: alignment, bounds by overflow-safe arithmetic,
// dtype, and a size that is the shape's (BYTES: framing is checked by ValidateTensor, where it
// matters). INVALID_ARGUMENT says what is wrong.
absl::StatusOr<TensorView> Resolve(const Reference& reference, std::span<const std::byte> segment);
// The same checks without the bytes, for who passes a reference on.
absl::Status CheckReference(const Reference& reference, uint64_t segment_size);

}  // namespace tiffin::shm
