#include "gateway/api/kserve/typed_contents.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway::kserve {
namespace {

struct List {
  std::string_view name;
  int size;
};

std::array<List, 8> ListsOf(const inference::InferTensorContents& contents) {
  return {{{"bool_contents", contents.bool_contents_size()},
           {"int_contents", contents.int_contents_size()},
           {"int64_contents", contents.int64_contents_size()},
           {"uint_contents", contents.uint_contents_size()},
           {"uint64_contents", contents.uint64_contents_size()},
           {"fp32_contents", contents.fp32_contents_size()},
           {"fp64_contents", contents.fp64_contents_size()},
           {"bytes_contents", contents.bytes_contents_size()}}};
}

std::string_view ListFor(DataType dtype) {
  switch (dtype) {
    case DataType::kBool:
      return "bool_contents";
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return "int_contents";
    case DataType::kInt64:
      return "int64_contents";
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32:
      return "uint_contents";
    case DataType::kUint64:
      return "uint64_contents";
    case DataType::kFp32:
      return "fp32_contents";
    case DataType::kFp64:
      return "fp64_contents";
    case DataType::kBytes:
      return "bytes_contents";
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kInvalid:
      break;
  }
  return "";
}

// `list` as elements of type T, narrower or the same.
template <typename T, typename List>
absl::StatusOr<std::string> Pack(const List& list, DataType dtype) {
  std::string raw(static_cast<size_t>(list.size()) * sizeof(T), '\0');
  char* out = raw.data();
  for (const auto wide : list) {
    const T element = static_cast<T>(wide);
    if constexpr (sizeof(T) < sizeof(wide)) {
      if (static_cast<decltype(wide + 0)>(element) != wide) {
        return absl::InvalidArgumentError(
            StrCat("the element ", wide, " does not fit ", DataTypeName(dtype)));
      }
    }
    std::memcpy(out, &element, sizeof(T));
    out += sizeof(T);
  }
  return raw;
}

}  // namespace

absl::StatusOr<std::string> RawFromTyped(const inference::InferTensorContents& contents,
                                         DataType dtype, int64_t count) {
  const std::string_view wanted = ListFor(dtype);
  if (wanted.empty()) {
    return absl::InvalidArgumentError(
        StrCat(DataTypeName(dtype),
               " has no typed contents; send it in the request's raw_input_contents"));
  }
  int64_t size = 0;
  for (const List& list : ListsOf(contents)) {
    if (list.name == wanted) {
      size = list.size;
    } else if (list.size > 0) {
      return absl::InvalidArgumentError(
          StrCat(DataTypeName(dtype), " elements belong in ", wanted, ", not in ", list.name));
    }
  }
  if (size != count) {
    return absl::InvalidArgumentError(
        StrCat("the shape needs ", count, " elements, but ", wanted, " has ", size));
  }
  switch (dtype) {
    case DataType::kBool:
      return Pack<uint8_t>(contents.bool_contents(), dtype);
    case DataType::kInt8:
      return Pack<int8_t>(contents.int_contents(), dtype);
    case DataType::kInt16:
      return Pack<int16_t>(contents.int_contents(), dtype);
    case DataType::kInt32:
      return Pack<int32_t>(contents.int_contents(), dtype);
    case DataType::kInt64:
      return Pack<int64_t>(contents.int64_contents(), dtype);
    case DataType::kUint8:
      return Pack<uint8_t>(contents.uint_contents(), dtype);
    case DataType::kUint16:
      return Pack<uint16_t>(contents.uint_contents(), dtype);
    case DataType::kUint32:
      return Pack<uint32_t>(contents.uint_contents(), dtype);
    case DataType::kUint64:
      return Pack<uint64_t>(contents.uint64_contents(), dtype);
    case DataType::kFp32:
      return Pack<float>(contents.fp32_contents(), dtype);
    case DataType::kFp64:
      return Pack<double>(contents.fp64_contents(), dtype);
    default: {
      std::string raw;
      for (const std::string& element : contents.bytes_contents()) AppendBytesElement(element, raw);
      return raw;
    }
  }
}

}  // namespace tiffin::gateway::kserve
