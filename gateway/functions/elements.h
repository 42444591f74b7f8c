#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/tensor.h"
#include "gateway/graph/value.h"

// The elements of tensors of numbers: bool, integers, fp32 and fp64.
namespace tiffin::gateway {

// The elements of a tensor of `T`, which need not be aligned. A bool is true unless its byte is 0.
template <typename T>
class Elements {
 public:
  explicit Elements(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t size() const { return bytes_.size() / sizeof(T); }
  T operator[](size_t index) const {
    if constexpr (std::is_same_v<T, bool>) {
      return bytes_[index] != std::byte{0};
    } else {
      T element;
      std::memcpy(&element, bytes_.data() + index * sizeof(T), sizeof(T));
      return element;
    }
  }

 private:
  std::span<const std::byte> bytes_;
};

inline bool IsInteger(DataType dtype) {
  return dtype >= DataType::kUint8 && dtype <= DataType::kInt64;
}
inline bool IsFloat(DataType dtype) { return dtype == DataType::kFp32 || dtype == DataType::kFp64; }
inline bool IsNumber(DataType dtype) {
  return dtype == DataType::kBool || IsInteger(dtype) || IsFloat(dtype);
}

// Calls `visit` with std::type_identity of the dtype's C++ type. It returns a Status or a StatusOr:
// INTERNAL for a dtype that is no number, which a function's factory refuses.
template <typename Visit>
auto VisitNumber(DataType dtype, Visit visit) -> decltype(visit(std::type_identity<float>())) {
  switch (dtype) {
    case DataType::kBool:
      return visit(std::type_identity<bool>());
    case DataType::kUint8:
      return visit(std::type_identity<uint8_t>());
    case DataType::kUint16:
      return visit(std::type_identity<uint16_t>());
    case DataType::kUint32:
      return visit(std::type_identity<uint32_t>());
    case DataType::kUint64:
      return visit(std::type_identity<uint64_t>());
    case DataType::kInt8:
      return visit(std::type_identity<int8_t>());
    case DataType::kInt16:
      return visit(std::type_identity<int16_t>());
    case DataType::kInt32:
      return visit(std::type_identity<int32_t>());
    case DataType::kInt64:
      return visit(std::type_identity<int64_t>());
    case DataType::kFp32:
      return visit(std::type_identity<float>());
    case DataType::kFp64:
      return visit(std::type_identity<double>());
    default:
      return absl::InternalError("a function was given a tensor whose elements it can't read");
  }
}

// A value with these elements. Bools are given as uint8_t.
template <typename T>
Value NumbersValue(DataType dtype, Shape shape, const std::vector<T>& numbers) {
  return HeapValue(dtype, std::move(shape), AsStringView(std::as_bytes(std::span(numbers))));
}

}  // namespace tiffin::gateway
