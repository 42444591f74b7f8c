#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/tensor.h"

namespace tiffin::gateway {

// Bytes that a value points to: heap memory of the gateway, or a reference into a segment, whose
// lease it holds. Destroyed on the loop's thread, which gives the lease back. Owned by shared_ptr:
// its readers are values and parts.
class Buffer : public std::enable_shared_from_this<Buffer> {
 public:
  virtual ~Buffer() = default;
  // Maps a worker's segment on first use. The view lives as long as the buffer.
  virtual absl::StatusOr<std::span<const std::byte>> Bytes() const = 0;
  virtual uint64_t size() const = 0;
  // `size` of the bytes, from `offset` on, where they lie. Keeps this buffer.
  virtual std::shared_ptr<const Buffer> Part(uint64_t offset, uint64_t size) const;
};

// A tensor on its way through a graph. Its rows always come first in `shape`, for values of
// non-batchable methods too (then one row). Cheap to copy.
struct Value {
  DataType dtype = DataType::kInvalid;
  Shape shape;
  // Shared: every step that still runs on it, the request and the reply are its readers, and any of
  // them may be the last.
  std::shared_ptr<const Buffer> buffer;

  int64_t rows() const { return shape.empty() ? 1 : shape.front(); }
  absl::StatusOr<TensorView> View() const;
};

// A value in heap memory, 64-byte aligned, that `bytes` is copied into; framed for BYTES.
Value HeapValue(DataType dtype, Shape shape, std::string_view bytes);
// The same, of `pieces` one after the other.
Value HeapValue(DataType dtype, Shape shape, std::span<const std::span<const std::byte>> pieces);

// Writes all of `bytes`, which begin as anything.
using FillBytes = absl::FunctionRef<absl::Status(std::span<std::byte> bytes)>;
// The same, of `size` bytes that `fill` writes. Its error is the result.
absl::StatusOr<Value> HeapValue(DataType dtype, Shape shape, uint64_t size, FillBytes fill);

// Where requests put the bytes that clients sent: once, so that every step reads the same copy.
// Implemented by dispatch: small tensors stay in heap memory, others go into the gateway's
// segments.
class ValueAllocator {
 public:
  virtual ~ValueAllocator() = default;
  // Of `size` bytes that `fill` writes where they will lie. RESOURCE_EXHAUSTED when the gateway's
  // limit of bytes in flight would be passed; else `fill`'s error, if it has one.
  virtual absl::StatusOr<Value> Make(DataType dtype, Shape shape, uint64_t size,
                                     FillBytes fill) = 0;
  absl::StatusOr<Value> Copy(DataType dtype, Shape shape, std::span<const std::byte> bytes);
};

}  // namespace tiffin::gateway
