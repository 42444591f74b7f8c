#include "gateway/api/json_tensor.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway {
namespace {

template <typename T>
void AppendRaw(T element, std::string& out) {
  out.append(reinterpret_cast<const char*>(&element), sizeof(T));
}

absl::Status NotA(DataType dtype) {
  return absl::InvalidArgumentError(StrCat("an element is not a ", DataTypeName(dtype)));
}

template <typename T>
absl::Status AppendInteger(const nlohmann::json& json, DataType dtype, std::string& out) {
  const auto outside = [&] {
    return absl::InvalidArgumentError(
        StrCat("the element ", json.dump(), " does not fit ", DataTypeName(dtype)));
  };
  if (json.is_number_unsigned()) {
    const auto wide = json.get<uint64_t>();
    if (wide > static_cast<uint64_t>(std::numeric_limits<T>::max())) return outside();
    AppendRaw(static_cast<T>(wide), out);
    return absl::OkStatus();
  }
  if (!json.is_number_integer()) return NotA(dtype);
  // Negative, or it would be unsigned.
  const auto wide = json.get<int64_t>();
  if (std::is_unsigned_v<T> || wide < static_cast<int64_t>(std::numeric_limits<T>::min())) {
    return outside();
  }
  AppendRaw(static_cast<T>(wide), out);
  return absl::OkStatus();
}

template <typename T>
absl::Status AppendFloat(const nlohmann::json& json, DataType dtype, std::string& out) {
  if (json.is_number()) {
    const auto wide = json.get<double>();
    const T element = static_cast<T>(wide);
    if (std::isinf(element)) {
      return absl::InvalidArgumentError(
          StrCat("the element ", json.dump(), " does not fit ", DataTypeName(dtype)));
    }
    AppendRaw(element, out);
    return absl::OkStatus();
  }
  if (json.is_string()) {
    const auto& name = json.get_ref<const std::string&>();
    if (name == "NaN") {
      AppendRaw(std::numeric_limits<T>::quiet_NaN(), out);
      return absl::OkStatus();
    }
    if (name == "Infinity" || name == "-Infinity") {
      const T infinity = std::numeric_limits<T>::infinity();
      AppendRaw(name.front() == '-' ? -infinity : infinity, out);
      return absl::OkStatus();
    }
  }
  return NotA(dtype);
}

absl::Status AppendBytes(const nlohmann::json& json, BytesForm form, std::string& out) {
  const auto* text = json.get_ptr<const std::string*>();
  if (form == BytesForm::kText) {
    if (text == nullptr) return absl::InvalidArgumentError("an element is not a string");
    AppendBytesElement(*text, out);
    return absl::OkStatus();
  }
  std::string content;
  if (text == nullptr || !absl::Base64Unescape(ToAbsl(*text), &content)) {
    return absl::InvalidArgumentError("an element is not a string of base64");
  }
  AppendBytesElement(content, out);
  return absl::OkStatus();
}

absl::Status AppendElement(const nlohmann::json& json, DataType dtype, BytesForm form,
                           std::string& out) {
  switch (dtype) {
    case DataType::kBool:
      if (!json.is_boolean()) return NotA(dtype);
      AppendRaw(static_cast<uint8_t>(json.get<bool>()), out);
      return absl::OkStatus();
    case DataType::kUint8:
      return AppendInteger<uint8_t>(json, dtype, out);
    case DataType::kUint16:
      return AppendInteger<uint16_t>(json, dtype, out);
    case DataType::kUint32:
      return AppendInteger<uint32_t>(json, dtype, out);
    case DataType::kUint64:
      return AppendInteger<uint64_t>(json, dtype, out);
    case DataType::kInt8:
      return AppendInteger<int8_t>(json, dtype, out);
    case DataType::kInt16:
      return AppendInteger<int16_t>(json, dtype, out);
    case DataType::kInt32:
      return AppendInteger<int32_t>(json, dtype, out);
    case DataType::kInt64:
      return AppendInteger<int64_t>(json, dtype, out);
    case DataType::kFp32:
      return AppendFloat<float>(json, dtype, out);
    case DataType::kFp64:
      return AppendFloat<double>(json, dtype, out);
    case DataType::kBytes:
      return AppendBytes(json, form, out);
    default:
      return absl::InvalidArgumentError(
          StrCat(DataTypeName(dtype),
                 " can't be sent as JSON; send it as binary data of KServe v2, or over gRPC"));
  }
}

// Appends what lies below `depth` dimensions of `tensor`, whose sizes are known from the first
// element of each on.
absl::Status AppendNested(const nlohmann::json& json, DataType dtype, BytesForm form, size_t depth,
                          std::vector<bool>& known, RawTensor& tensor) {
  const size_t rank = tensor.shape.size();
  if (depth == rank) {
    if (json.is_array()) {
      return absl::InvalidArgumentError(StrCat("its lists are nested deeper than ", rank));
    }
    return AppendElement(json, dtype, form, tensor.bytes);
  }
  if (!json.is_array()) {
    return absl::InvalidArgumentError(StrCat("needs lists nested ", rank, " deep, not ", depth));
  }
  const auto size = static_cast<int64_t>(json.size());
  if (!known[depth]) {
    known[depth] = true;
    tensor.shape[depth] = size;
  } else if (tensor.shape[depth] != size) {
    return absl::InvalidArgumentError(
        StrCat("lists beside each other have ", tensor.shape[depth], " and ", size, " elements"));
  }
  for (const nlohmann::json& element : json) {
    RETURN_IF_ERROR(AppendNested(element, dtype, form, depth + 1, known, tensor));
  }
  return absl::OkStatus();
}

template <typename T>
void AppendNumber(T element, std::string& out) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(element)) {
      out += std::isnan(element) ? "\"NaN\"" : (element < 0 ? "\"-Infinity\"" : "\"Infinity\"");
      return;
    }
  }
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), element).ptr;
  out.append(text, end);
}

// Appends element `index`.
using ElementWriter = absl::FunctionRef<void(size_t index, std::string& out)>;

void AppendLists(std::span<const int64_t> shape, size_t& next, ElementWriter write,
                 std::string& out) {
  if (shape.empty()) {
    write(next++, out);
    return;
  }
  out += '[';
  for (int64_t i = 0; i < shape.front(); ++i) {
    if (i > 0) out += ", ";
    AppendLists(shape.subspan(1), next, write, out);
  }
  out += ']';
}

template <typename T>
void AppendNumbers(const TensorView& tensor, std::string& out) {
  size_t next = 0;
  const auto write = [&](size_t index, std::string& text) {
    T element;  // The bytes may lie anywhere.
    std::memcpy(&element, tensor.bytes.data() + index * sizeof(T), sizeof(T));
    AppendNumber(element, text);
  };
  AppendLists(tensor.shape, next, write, out);
}

}  // namespace

absl::StatusOr<RawTensor> TensorFromJson(const nlohmann::json& json, DataType dtype,
                                         std::span<const int64_t> pattern, BytesForm form) {
  RawTensor tensor;
  // Below an empty list, the dimensions that the pattern has.
  for (const int64_t size : pattern) tensor.shape.push_back(std::max<int64_t>(size, 0));
  std::vector<bool> known(pattern.size(), false);
  RETURN_IF_ERROR(AppendNested(json, dtype, form, 0, known, tensor));
  return tensor;
}

absl::StatusOr<std::string> ElementsFromJson(const nlohmann::json& json, DataType dtype,
                                             std::span<const int64_t> shape) {
  if (!json.is_array()) return absl::InvalidArgumentError("its data is not a list");
  if (!json.empty() && json.front().is_array()) {
    ASSIGN_OR_RETURN(RawTensor tensor, TensorFromJson(json, dtype, shape, BytesForm::kText));
    if (tensor.shape == Shape(shape.begin(), shape.end())) return std::move(tensor.bytes);
    return absl::InvalidArgumentError(StrCat(
        "its lists have the shape ", ShapeToString(tensor.shape), ", not ", ShapeToString(shape)));
  }
  ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  if (static_cast<uint64_t>(count) != json.size()) {
    return absl::InvalidArgumentError(StrCat("the shape ", ShapeToString(shape), " needs ", count,
                                             " elements, but its data has ", json.size()));
  }
  std::string bytes;
  for (const nlohmann::json& element : json) {
    RETURN_IF_ERROR(AppendElement(element, dtype, BytesForm::kText, bytes));
  }
  return bytes;
}

absl::Status AppendTensorJson(const TensorView& tensor, BytesForm form, std::string& out) {
  size_t next = 0;
  switch (tensor.dtype) {
    case DataType::kBool: {
      const auto write = [&](size_t index, std::string& text) {
        text += tensor.bytes[index] == std::byte{0} ? "false" : "true";
      };
      AppendLists(tensor.shape, next, write, out);
      break;
    }
    case DataType::kUint8:
      AppendNumbers<uint8_t>(tensor, out);
      break;
    case DataType::kUint16:
      AppendNumbers<uint16_t>(tensor, out);
      break;
    case DataType::kUint32:
      AppendNumbers<uint32_t>(tensor, out);
      break;
    case DataType::kUint64:
      AppendNumbers<uint64_t>(tensor, out);
      break;
    case DataType::kInt8:
      AppendNumbers<int8_t>(tensor, out);
      break;
    case DataType::kInt16:
      AppendNumbers<int16_t>(tensor, out);
      break;
    case DataType::kInt32:
      AppendNumbers<int32_t>(tensor, out);
      break;
    case DataType::kInt64:
      AppendNumbers<int64_t>(tensor, out);
      break;
    case DataType::kFp32:
      AppendNumbers<float>(tensor, out);
      break;
    case DataType::kFp64:
      AppendNumbers<double>(tensor, out);
      break;
    case DataType::kBytes: {
      ASSIGN_OR_RETURN(const std::vector<std::string_view> elements,
                       ParseBytesElements(tensor.bytes));
      if (form == BytesForm::kText && !std::all_of(elements.begin(), elements.end(), IsValidUtf8)) {
        return absl::UnimplementedError(
            "it has elements that are not UTF-8, which JSON has not; ask for binary data");
      }
      const auto write = [&](size_t index, std::string& text) {
        text += form == BytesForm::kText
                    ? nlohmann::json(elements[index]).dump()
                    : StrCat("\"", absl::Base64Escape(ToAbsl(elements[index])), "\"");
      };
      AppendLists(tensor.shape, next, write, out);
      break;
    }
    default:
      return absl::UnimplementedError(
          StrCat("it is ", DataTypeName(tensor.dtype),
                 ", which JSON has not; ask for binary data of KServe v2, or over gRPC"));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
