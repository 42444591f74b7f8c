#include "worker/runtime/example_inputs.h"

#include <algorithm>
#include <cstring>
#include <string>
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

void Flatten(const json& value, std::vector<double>& numbers) {
  if (value.is_array()) {
    for (const json& element : value) Flatten(element, numbers);
  } else if (value.is_boolean()) {
    numbers.push_back(value.get<bool>() ? 1 : 0);
  } else if (value.is_number()) {
    numbers.push_back(value.get<double>());
  }
}

template <typename T>
void Store(const std::vector<double>& numbers, std::byte* to) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    const T element = static_cast<T>(numbers[i]);
    std::memcpy(to + i * sizeof(T), &element, sizeof(T));
  }
}

absl::Status StoreAs(DataType dtype, const std::vector<double>& numbers, std::byte* to) {
  switch (dtype) {
    case DataType::kBool:
    case DataType::kUint8:
      Store<uint8_t>(numbers, to);
      break;
    case DataType::kUint16:
      Store<uint16_t>(numbers, to);
      break;
    case DataType::kUint32:
      Store<uint32_t>(numbers, to);
      break;
    case DataType::kUint64:
      Store<uint64_t>(numbers, to);
      break;
    case DataType::kInt8:
      Store<int8_t>(numbers, to);
      break;
    case DataType::kInt16:
      Store<int16_t>(numbers, to);
      break;
    case DataType::kInt32:
      Store<int32_t>(numbers, to);
      break;
    case DataType::kInt64:
      Store<int64_t>(numbers, to);
      break;
    case DataType::kFp32:
      Store<float>(numbers, to);
      break;
    case DataType::kFp64:
      Store<double>(numbers, to);
      break;
    default:
      return absl::InvalidArgumentError(
          StrCat("an example can't be given as ", DataTypeName(dtype)));
  }
  return absl::OkStatus();
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
  std::vector<double> numbers;
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
    numbers.resize(row == nullptr ? static_cast<size_t>(count) : numbers.size());
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
    RETURN_IF_ERROR(StoreAs(spec.type.dtype, numbers, bytes));
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
