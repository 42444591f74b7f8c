#include "gateway/graph/literal.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {
namespace {

using List = std::vector<config::Literal>;

template <typename T>
void AppendBytes(T number, std::string& out) {
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

absl::Status DoesNotFit(const config::Literal& literal, DataType dtype, std::string_view fix) {
  return absl::InvalidArgumentError(StrCat("the literal ", ToString(literal), " does not fit ",
                                           ToLower(DataTypeName(dtype)), ": ", fix));
}

// A float64 rounded to the nearest float with `kMantissa` and `kExponent` bits, ties to even; what
// is too large becomes infinite.
template <int kMantissa, int kExponent>
uint16_t RoundToSmallFloat(double number) {
  constexpr int kBias = (1 << (kExponent - 1)) - 1;
  constexpr uint32_t kInfinity = ((1u << kExponent) - 1u) << kMantissa;
  const uint32_t sign = std::signbit(number) ? 1u << (kMantissa + kExponent) : 0u;
  const double magnitude = std::fabs(number);
  if (magnitude == 0.0) return static_cast<uint16_t>(sign);
  // Units in the last place, of this number's exponent; below the smallest one all are the same.
  const int exponent = std::max(std::ilogb(magnitude), 1 - kBias);
  const double units = std::nearbyint(std::ldexp(magnitude, kMantissa - exponent));
  // Adding lets a carry out of the mantissa run into the exponent, where it belongs.
  const double bits = units + std::ldexp(static_cast<double>(exponent + kBias - 1), kMantissa);
  if (bits >= static_cast<double>(kInfinity)) return static_cast<uint16_t>(sign | kInfinity);
  return static_cast<uint16_t>(sign | static_cast<uint32_t>(bits));
}

template <std::integral T>
absl::Status AppendInteger(const config::Literal& literal, DataType dtype, std::string& out) {
  const auto* number = std::get_if<int64_t>(&literal.value);
  if (number == nullptr) return DoesNotFit(literal, dtype, "it takes whole numbers");
  if (!std::in_range<T>(*number)) {
    return DoesNotFit(literal, dtype,
                      StrCat("it goes from ", std::numeric_limits<T>::min(), " to ",
                             std::numeric_limits<T>::max()));
  }
  AppendBytes(static_cast<T>(*number), out);
  return absl::OkStatus();
}

absl::Status AppendFloat(const config::Literal& literal, DataType dtype, std::string& out) {
  double number = 0;
  if (const auto* integer = std::get_if<int64_t>(&literal.value)) {
    number = static_cast<double>(*integer);
  } else if (const auto* real = std::get_if<double>(&literal.value)) {
    number = *real;
  } else {
    return DoesNotFit(literal, dtype, "it takes numbers");
  }
  const absl::Status too_large = DoesNotFit(literal, dtype, "it is too large");
  switch (dtype) {
    case DataType::kFp64:
      AppendBytes(number, out);
      return absl::OkStatus();
    case DataType::kFp32:
      if (std::fabs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
        return too_large;
      }
      AppendBytes(static_cast<float>(number), out);
      return absl::OkStatus();
    case DataType::kFp16: {
      const uint16_t bits = RoundToSmallFloat<10, 5>(number);
      if ((bits & 0x7c00u) == 0x7c00u) return too_large;
      AppendBytes(bits, out);
      return absl::OkStatus();
    }
    default: {
      const uint16_t bits = RoundToSmallFloat<7, 8>(number);
      if ((bits & 0x7f80u) == 0x7f80u) return too_large;
      AppendBytes(bits, out);
      return absl::OkStatus();
    }
  }
}

absl::Status AppendElement(const config::Literal& literal, DataType dtype, std::string& out) {
  switch (dtype) {
    case DataType::kBool: {
      const bool* truth = std::get_if<bool>(&literal.value);
      if (truth == nullptr) return DoesNotFit(literal, dtype, "write true or false");
      AppendBytes(static_cast<uint8_t>(*truth ? 1 : 0), out);
      return absl::OkStatus();
    }
    case DataType::kUint8:
      return AppendInteger<uint8_t>(literal, dtype, out);
    case DataType::kUint16:
      return AppendInteger<uint16_t>(literal, dtype, out);
    case DataType::kUint32:
      return AppendInteger<uint32_t>(literal, dtype, out);
    case DataType::kUint64:
      return AppendInteger<uint64_t>(literal, dtype, out);
    case DataType::kInt8:
      return AppendInteger<int8_t>(literal, dtype, out);
    case DataType::kInt16:
      return AppendInteger<int16_t>(literal, dtype, out);
    case DataType::kInt32:
      return AppendInteger<int32_t>(literal, dtype, out);
    case DataType::kInt64:
      return AppendInteger<int64_t>(literal, dtype, out);
    case DataType::kFp16:
    case DataType::kFp32:
    case DataType::kFp64:
    case DataType::kBf16:
      return AppendFloat(literal, dtype, out);
    case DataType::kBytes: {
      const auto* text = std::get_if<std::string>(&literal.value);
      if (text == nullptr) return DoesNotFit(literal, dtype, "write text in single quotes");
      AppendBytesElement(*text, out);
      return absl::OkStatus();
    }
    case DataType::kInvalid:
      break;
  }
  return absl::InternalError("a signature without an element type");
}

// The shape that nested lists have, judged by the first element of each.
Shape ShapeOf(const config::Literal& literal) {
  Shape shape;
  for (const auto* list = std::get_if<List>(&literal.value); list != nullptr;
       list = list->empty() ? nullptr : std::get_if<List>(&list->front().value)) {
    shape.push_back(static_cast<int64_t>(list->size()));
  }
  return shape;
}

absl::Status AppendElements(const config::Literal& literal, DataType dtype,
                            std::span<const int64_t> shape, std::string& out) {
  const auto* list = std::get_if<List>(&literal.value);
  if (shape.empty() && list == nullptr) return AppendElement(literal, dtype, out);
  if (shape.empty() || list == nullptr || static_cast<int64_t>(list->size()) != shape.front()) {
    return absl::InvalidArgumentError(
        StrCat("the lists of a literal must be equally long and deep, and ", ToString(literal),
               " is not like the others"));
  }
  for (const config::Literal& element : *list) {
    RETURN_IF_ERROR(AppendElements(element, dtype, shape.subspan(1), out));
  }
  return absl::OkStatus();
}

absl::StatusOr<Value> TensorValue(const config::Literal& literal, const ValueType& type) {
  Shape shape = ShapeOf(literal);
  if (!ShapeMatches(shape, type.shape)) {
    return absl::InvalidArgumentError(StrCat("the literal ", ToString(literal), " has the shape ",
                                             ShapeToString(shape), ", and ", ToString(type),
                                             " is expected"));
  }
  std::string bytes;
  RETURN_IF_ERROR(AppendElements(literal, type.dtype, shape, bytes));
  shape.insert(shape.begin(), 1);
  return HeapValue(type.dtype, std::move(shape), bytes);
}

nlohmann::json ToJson(const config::Literal& literal) {
  if (const auto* list = std::get_if<List>(&literal.value)) {
    nlohmann::json array = nlohmann::json::array();
    for (const config::Literal& element : *list) array.push_back(ToJson(element));
    return array;
  }
  if (const bool* truth = std::get_if<bool>(&literal.value)) return *truth;
  if (const auto* integer = std::get_if<int64_t>(&literal.value)) return *integer;
  if (const auto* real = std::get_if<double>(&literal.value)) return *real;
  return std::get<std::string>(literal.value);
}

Value SingleValue(std::string_view element) {
  std::string bytes;
  AppendBytesElement(element, bytes);
  return HeapValue(DataType::kBytes, {1}, bytes);
}

absl::StatusOr<Value> JsonValue(const config::Literal& literal) {
  const auto* text = std::get_if<std::string>(&literal.value);
  if (text == nullptr) {
    return SingleValue(
        ToJson(literal).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  if (!nlohmann::json::accept(*text)) {
    return absl::InvalidArgumentError(StrCat("the literal ", ToString(literal),
                                             " is not JSON; as a JSON string it would be '\"",
                                             *text, "\"'"));
  }
  return SingleValue(*text);
}

}  // namespace

std::string ToString(const config::Literal& literal) {
  if (const auto* list = std::get_if<List>(&literal.value)) {
    return StrCat("[",
                  absl::StrJoin(*list, ", ",
                                [](std::string* out, const config::Literal& element) {
                                  absl::StrAppend(out, ToString(element));
                                }),
                  "]");
  }
  if (const auto* text = std::get_if<std::string>(&literal.value)) {
    return StrCat("'", *text, "'");
  }
  return ToJson(literal).dump();
}

absl::StatusOr<Value> LiteralValue(const config::Literal& literal, const ValueType& type) {
  switch (type.kind) {
    case ValueKind::kTensor:
      return TensorValue(literal, type);
    case ValueKind::kJson:
      return JsonValue(literal);
    case ValueKind::kText:
    case ValueKind::kBytes:
      if (const auto* text = std::get_if<std::string>(&literal.value)) return SingleValue(*text);
      return absl::InvalidArgumentError(StrCat("the literal ", ToString(literal), " is not ",
                                               ToString(type), "; write it in single quotes"));
    case ValueKind::kImage:
      break;
  }
  return absl::InvalidArgumentError(
      StrCat("the literal ", ToString(literal), " is no image; give it an input of the api"));
}

}  // namespace tiffin::gateway
