#include "worker/runtime/example_inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

struct ExampleInput {
  AlignedBuffer memory;
  TensorView view;
};

// The numbers and booleans of nested lists, which they point into.
void Flatten(const json& value, std::vector<const json*>& numbers) {
  if (value.is_array()) {
    for (const json& element : value) Flatten(element, numbers);
  } else if (value.is_boolean() || value.is_number()) {
    numbers.push_back(&value);
  }
}

// Nothing where T has no such value.
template <typename T>
std::optional<T> NumberAs(const json& number) {
  if (number.is_boolean()) return static_cast<T>(number.get<bool>());
  if constexpr (std::is_floating_point_v<T>) {
    const auto value = number.get<double>();
    if (std::abs(value) > static_cast<double>(std::numeric_limits<T>::max())) return std::nullopt;
    return static_cast<T>(value);
  } else if (number.is_number_float()) {
    const auto value = number.get<double>();
    // The first beyond the largest is a power of two, and so a double, as the largest may not be.
    const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
    const bool fits = value >= static_cast<double>(std::numeric_limits<T>::min()) && value < end &&
                      value == std::trunc(value);
    return fits ? std::optional<T>(static_cast<T>(value)) : std::nullopt;
  } else if (number.is_number_unsigned()) {
    const auto value = number.get<uint64_t>();
    return std::in_range<T>(value) ? std::optional<T>(static_cast<T>(value)) : std::nullopt;
  } else {
    const auto value = number.get<int64_t>();
    return std::in_range<T>(value) ? std::optional<T>(static_cast<T>(value)) : std::nullopt;
  }
}

template <typename T>
absl::Status Store(DataType dtype, const std::vector<const json*>& numbers, std::byte* to) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    const std::optional<T> element = NumberAs<T>(*numbers[i]);
    if (!element.has_value() || (dtype == DataType::kBool && *element > 1)) {
      return absl::InvalidArgumentError(StrCat(numbers[i]->dump(), " is no ", DataTypeName(dtype)));
    }
    std::memcpy(to + i * sizeof(T), &*element, sizeof(T));
  }
  return absl::OkStatus();
}

absl::Status StoreAs(DataType dtype, const std::vector<const json*>& numbers, std::byte* to) {
  switch (dtype) {
    case DataType::kBool:
    case DataType::kUint8:
      return Store<uint8_t>(dtype, numbers, to);
    case DataType::kUint16:
      return Store<uint16_t>(dtype, numbers, to);
    case DataType::kUint32:
      return Store<uint32_t>(dtype, numbers, to);
    case DataType::kUint64:
      return Store<uint64_t>(dtype, numbers, to);
    case DataType::kInt8:
      return Store<int8_t>(dtype, numbers, to);
    case DataType::kInt16:
      return Store<int16_t>(dtype, numbers, to);
    case DataType::kInt32:
      return Store<int32_t>(dtype, numbers, to);
    case DataType::kInt64:
      return Store<int64_t>(dtype, numbers, to);
    case DataType::kFp32:
      return Store<float>(dtype, numbers, to);
    case DataType::kFp64:
      return Store<double>(dtype, numbers, to);
    default:
      return absl::InvalidArgumentError(
          StrCat("an example can't be given as ", DataTypeName(dtype)));
  }
}

absl::StatusOr<ExampleInput> MakeInput(const TensorSpec& spec, bool batchable, const json* row,
                                       int64_t rows) {
  ExampleInput input;
  input.view.dtype = spec.type.dtype;
  if (batchable || spec.type.kind != ValueKind::kTensor) input.view.shape.push_back(1);
  // A dimension of any size: as long as the example where it has one dimension, else 1.
  for (const int64_t size : spec.type.shape) {
    const bool take_rows_length = size < 0 && spec.type.shape.size() == 1 && row != nullptr;
    input.view.shape.push_back(take_rows_length ? static_cast<int64_t>(row->size())
                                                : std::max<int64_t>(size, 1));
  }
  std::string framed;
  std::vector<const json*> numbers;
  const json zero = 0;
  size_t size = 0;
  ASSIGN_OR_RETURN(const int64_t count, ElementCount(input.view.shape));
  if (batchable) input.view.shape[0] = rows;
  if (spec.type.dtype == DataType::kBytes) {
    for (int64_t i = 0; i < count; ++i) {
      AppendBytesElement(row != nullptr && row->is_string() ? row->get<std::string>() : "", framed);
    }
    size = framed.size();
  } else {
    if (row != nullptr) Flatten(*row, numbers);
    if (row == nullptr) numbers.assign(static_cast<size_t>(count), &zero);
    if (static_cast<int64_t>(numbers.size()) != count) {
      return absl::InvalidArgumentError(
          StrCat("the example's '", spec.name, "' has ", numbers.size(), " numbers, not ", count));
    }
    size = static_cast<size_t>(count) * ElementSize(spec.type.dtype);
  }
  const auto copies = static_cast<size_t>(batchable ? rows : 1);
  input.memory = AlignedBuffer(size * copies);
  std::byte* bytes = input.memory.bytes().data();
  if (spec.type.dtype == DataType::kBytes) {
    std::memcpy(bytes, framed.data(), framed.size());
  } else {
    if (const absl::Status stored = StoreAs(spec.type.dtype, numbers, bytes); !stored.ok()) {
      return absl::Status(stored.code(),
                          StrCat("the example's '", spec.name, "': ", Message(stored)));
    }
  }
  for (size_t i = 1; i < copies; ++i) std::memcpy(bytes + i * size, bytes, size);
  input.view.bytes = {bytes, size * copies};
  return input;
}

}  // namespace

absl::StatusOr<ExampleInputs> ExampleInputs::Create(const MethodSignature& method,
                                                    const json& example, int64_t rows) {
  ExampleInputs made;
  made.rows_ = method.batchable ? rows : 1;
  for (const TensorSpec& spec : method.inputs) {
    const auto row = example.find(spec.name);
    ASSIGN_OR_RETURN(ExampleInput input, MakeInput(spec, method.batchable,
                                                   row == example.end() ? nullptr : &*row, rows));
    made.memory_.push_back(std::move(input.memory));
    made.views_.push_back(std::move(input.view));  // Into heap memory, which a move keeps.
  }
  return made;
}

}  // namespace tiffin::worker
