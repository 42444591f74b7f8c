#include "common/tensor.h"

#include <array>
#include <cstdlib>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "common/strings.h"

namespace tiffin {
namespace {

struct DataTypeInfo {
  std::string_view name;
  size_t element_size;
};

// By the number of the DataType.
constexpr std::array<DataTypeInfo, 15> kDataTypes = {{{"INVALID", 0},
                                                      {"BOOL", 1},
                                                      {"UINT8", 1},
                                                      {"UINT16", 2},
                                                      {"UINT32", 4},
                                                      {"UINT64", 8},
                                                      {"INT8", 1},
                                                      {"INT16", 2},
                                                      {"INT32", 4},
                                                      {"INT64", 8},
                                                      {"FP16", 2},
                                                      {"FP32", 4},
                                                      {"FP64", 8},
                                                      {"BYTES", 0},
                                                      {"BF16", 2}}};
static_assert(kDataTypes.size() == static_cast<size_t>(DataType::kBf16) + 1);

const DataTypeInfo& InfoOf(DataType dtype) {
  const auto index = static_cast<size_t>(dtype);
  return kDataTypes[index < kDataTypes.size() ? index : 0];
}

uint32_t ReadLength(std::span<const std::byte> header) {
  uint32_t length = 0;
  for (size_t i = 0; i < kBytesElementHeader; ++i) {
    length |= std::to_integer<uint32_t>(header[i]) << (8 * i);
  }
  return length;
}

// Calls `visit` with each element; an error if a length leads past the end.
template <typename Visit>
absl::Status WalkBytesElements(std::span<const std::byte> framed, Visit visit) {
  size_t index = 0;
  for (size_t at = 0; at < framed.size(); ++index) {
    const size_t left = framed.size() - at;
    if (left < kBytesElementHeader) {
      return absl::InvalidArgumentError(StrCat("BYTES element ", index, " is cut off: ", left,
                                               " bytes are left of its ", kBytesElementHeader,
                                               "-byte length"));
    }
    const uint32_t length = ReadLength(framed.subspan(at, kBytesElementHeader));
    if (length > left - kBytesElementHeader) {
      return absl::InvalidArgumentError(StrCat("BYTES element ", index, " has the length ", length,
                                               ", but only ", left - kBytesElementHeader,
                                               " bytes follow; each element is a 4-byte ",
                                               "little-endian length, then that many bytes"));
    }
    visit(AsStringView(framed.subspan(at + kBytesElementHeader, length)));
    at += kBytesElementHeader + length;
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view DataTypeName(DataType dtype) { return InfoOf(dtype).name; }

std::optional<DataType> ParseDataType(std::string_view name) {
  for (size_t i = 1; i < kDataTypes.size(); ++i) {
    if (absl::EqualsIgnoreCase(ToAbsl(kDataTypes[i].name), ToAbsl(name)))
      return static_cast<DataType>(i);
  }
  return std::nullopt;
}

size_t ElementSize(DataType dtype) { return InfoOf(dtype).element_size; }

bool IsDataType(uint32_t number) { return number > 0 && number < kDataTypes.size(); }

std::string ShapeToString(std::span<const int64_t> shape) {
  return StrCat("[", absl::StrJoin(shape.begin(), shape.end(), ","), "]");
}

absl::StatusOr<int64_t> ElementCount(std::span<const int64_t> shape) {
  // Zeros are left aside while looking for an overflow: whoever computes strides multiplies parts
  // of the shape only, and so [2^62,8,0] is refused however its dimensions are ordered.
  int64_t product = 1;
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) {
      return absl::InvalidArgumentError(
          StrCat("shape ", ShapeToString(shape), " has the negative dimension ", dimension));
    }
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, dimension, &product)) {
      return absl::InvalidArgumentError(
          StrCat("shape ", ShapeToString(shape), " has more than 2^63-1 elements"));
    }
  }
  return empty ? 0 : product;
}

absl::StatusOr<uint64_t> ByteSize(DataType dtype, std::span<const int64_t> shape) {
  const size_t element_size = ElementSize(dtype);
  if (element_size == 0) {
    return absl::InvalidArgumentError(StrCat(DataTypeName(dtype), " elements have no fixed size"));
  }
  const absl::StatusOr<int64_t> count = ElementCount(shape);
  if (!count.ok()) return count.status();
  uint64_t size = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(*count), element_size, &size)) {
    return absl::InvalidArgumentError(StrCat(DataTypeName(dtype), " of shape ",
                                             ShapeToString(shape), " has more than 2^64-1 bytes"));
  }
  return size;
}

bool ShapeMatches(std::span<const int64_t> shape, std::span<const int64_t> pattern) {
  if (shape.size() != pattern.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (pattern[i] != -1 && pattern[i] != shape[i]) return false;
  }
  return true;
}

absl::Status ValidateByteSize(DataType dtype, std::span<const int64_t> shape, uint64_t size) {
  const absl::StatusOr<uint64_t> expected = ByteSize(dtype, shape);
  if (!expected.ok()) return expected.status();
  if (*expected != size) {
    return absl::InvalidArgumentError(StrCat(DataTypeName(dtype), " of shape ",
                                             ShapeToString(shape), " needs ", *expected,
                                             " bytes, but there are ", size));
  }
  return absl::OkStatus();
}

absl::Status ValidateTensor(const TensorView& tensor) {
  if (tensor.dtype == DataType::kBytes) {
    const absl::StatusOr<int64_t> expected = ElementCount(tensor.shape);
    if (!expected.ok()) return expected.status();
    int64_t count = 0;
    if (absl::Status status =
            WalkBytesElements(tensor.bytes, [&count](std::string_view) { ++count; });
        !status.ok()) {
      return status;
    }
    if (count != *expected) {
      return absl::InvalidArgumentError(StrCat("BYTES of shape ", ShapeToString(tensor.shape),
                                               " needs ", *expected, " elements, but there are ",
                                               count));
    }
    return absl::OkStatus();
  }
  return ValidateByteSize(tensor.dtype, tensor.shape, tensor.bytes.size());
}

absl::StatusOr<std::vector<std::string_view>> ParseBytesElements(
    std::span<const std::byte> framed) {
  std::vector<std::string_view> elements;
  absl::Status status = WalkBytesElements(
      framed, [&elements](std::string_view element) { elements.push_back(element); });
  if (!status.ok()) return status;
  return elements;
}

void AppendBytesElement(std::string_view element, std::string& out) {
  // Messages end far below 4 GiB; a longer element would be framed wrongly and in silence.
  if (element.size() > std::numeric_limits<uint32_t>::max()) std::abort();
  const auto length = static_cast<uint32_t>(element.size());
  for (size_t i = 0; i < kBytesElementHeader; ++i) {
    out.push_back(static_cast<char>((length >> (8 * i)) & 0xFF));
  }
  out.append(element);
}

}  // namespace tiffin
