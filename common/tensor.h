#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tiffin {

// Element types, as in KServe v2. The numbers travel in worker frames: append only.
enum class DataType : uint8_t {
  kInvalid = 0,
  kBool = 1,
  kUint8 = 2,
  kUint16 = 3,
  kUint32 = 4,
  kUint64 = 5,
  kInt8 = 6,
  kInt16 = 7,
  kInt32 = 8,
  kInt64 = 9,
  kFp16 = 10,
  kFp32 = 11,
  kFp64 = 12,
  kBytes = 13,
  kBf16 = 14,
};

// KServe's name in upper case ("FP32"), or "INVALID".
std::string_view DataTypeName(DataType dtype);
// Case does not matter. nullopt for an unknown name.
std::optional<DataType> ParseDataType(std::string_view name);
// Bytes of one element; 0 for BYTES, whose elements vary, and for kInvalid.
size_t ElementSize(DataType dtype);
// True for a number that travelled in a frame and names an element type.
bool IsDataType(uint32_t number);

// Dimensions, outermost first. In a signature -1 stands for any size.
using Shape = absl::InlinedVector<int64_t, 4>;

// "[1,64]"; "[]" for a scalar.
std::string ShapeToString(std::span<const int64_t> shape);
// The product of the dimensions. An error for a negative one and for a product beyond int64.
absl::StatusOr<int64_t> ElementCount(std::span<const int64_t> shape);
// ElementCount x ElementSize, overflow-safe. An error for BYTES, whose size the shape can't tell.
absl::StatusOr<uint64_t> ByteSize(DataType dtype, std::span<const int64_t> shape);
// True if `shape` has the rank of `pattern` and equals it where that is not -1.
bool ShapeMatches(std::span<const int64_t> shape, std::span<const int64_t> pattern);

// A dense row-major tensor that somebody else owns. BYTES elements are framed as in KServe v2: a
// 4-byte little-endian length, then that many bytes.
struct TensorView {
  DataType dtype = DataType::kInvalid;
  Shape shape;
  std::span<const std::byte> bytes;

  // The elements as T, whose size must be the dtype's. `bytes` is 64-byte aligned when it comes
  // from a segment or a backend's input.
  template <typename T>
  std::span<const T> As() const {
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

// That `size` bytes are just those that the dtype and shape ask for. An error for BYTES, whose size
// the shape can't tell.
absl::Status ValidateByteSize(DataType dtype, std::span<const int64_t> shape, uint64_t size);
// Checks that `tensor.bytes` has just the size that its dtype and shape ask for; for BYTES that the
// framing holds exactly as many elements as the shape. To be called once on everything that comes
// from outside.
absl::Status ValidateTensor(const TensorView& tensor);

// The elements of a BYTES tensor, as views into it. An error if the framing is broken.
absl::StatusOr<std::vector<std::string_view>> ParseBytesElements(std::span<const std::byte> framed);
// The size of `element` framed, and appending it to `out`.
inline constexpr size_t kBytesElementHeader = 4;
void AppendBytesElement(std::string_view element, std::string& out);

// Borrowing conversions between the two views of raw memory.
inline std::string_view AsStringView(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

}  // namespace tiffin
