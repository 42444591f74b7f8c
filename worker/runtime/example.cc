#include "worker/runtime/example.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

// Keeps the outputs in memory, to be checked and forgotten.
class HeapOutputs : public Outputs {
 public:
  explicit HeapOutputs(size_t count) : views_(count), memory_(count) {}

  absl::StatusOr<std::span<std::byte>> Allocate(size_t index, DataType dtype,
                                                std::span<const int64_t> shape,
                                                uint64_t byte_size) override {
    if (index >= views_.size()) return absl::InternalError("an output that the signature lacks");
    memory_[index] = AlignedBuffer(byte_size);
    const std::span<std::byte> bytes = memory_[index].bytes();
    views_[index] = {.dtype = dtype, .shape = Shape(shape.begin(), shape.end()), .bytes = bytes};
    return bytes;
  }

  const std::vector<TensorView>& views() const { return views_; }

 private:
  std::vector<TensorView> views_;
  std::vector<AlignedBuffer> memory_;
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

// One row of an input.
struct ExampleInput {
  AlignedBuffer memory;
  TensorView view;
};

absl::StatusOr<ExampleInput> MakeInput(const TensorSpec& spec, bool batchable, const json* row) {
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
  input.memory = AlignedBuffer(size);
  std::byte* bytes = input.memory.bytes().data();
  if (spec.type.dtype == DataType::kBytes) {
    std::memcpy(bytes, framed.data(), framed.size());
  } else {
    RETURN_IF_ERROR(StoreAs(spec.type.dtype, numbers, bytes));
  }
  input.view.bytes = {bytes, size};
  return input;
}

bool TakesBytes(const MethodSignature& method) {
  return std::any_of(method.inputs.begin(), method.inputs.end(),
                     [](const TensorSpec& spec) { return spec.type.dtype == DataType::kBytes; });
}

absl::Status CheckOutputs(const MethodSignature& method, const std::vector<TensorView>& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorSpec& spec = method.outputs[i];
    Shape expected = spec.type.shape;
    if (method.batchable || spec.type.kind != ValueKind::kTensor)
      expected.insert(expected.begin(), 1);
    if (outputs[i].dtype != spec.type.dtype || !ShapeMatches(outputs[i].shape, expected)) {
      return absl::InvalidArgumentError(
          StrCat("on the example, output '", spec.name, "' is ", DataTypeName(outputs[i].dtype),
                 ShapeToString(outputs[i].shape), ", but the signature says ",
                 DataTypeName(spec.type.dtype), ShapeToString(expected)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunExample(Backend& backend, const json& example) {
  for (const auto& [name, method] : backend.signature()) {
    const auto kept = example.find(name);
    // There is no image or text of zeros.
    if (kept == example.end() && TakesBytes(method)) continue;
    std::vector<ExampleInput> inputs;
    std::vector<TensorView> views;
    for (const TensorSpec& spec : method.inputs) {
      const json* row = nullptr;
      if (kept != example.end() && kept->contains(spec.name)) row = &kept->at(spec.name);
      ASSIGN_OR_RETURN(ExampleInput input, MakeInput(spec, method.batchable, row));
      inputs.push_back(std::move(input));
      views.push_back(inputs.back().view);  // Into the vector's heap memory, which a move keeps.
    }
    HeapOutputs outputs(method.outputs.size());
    if (const absl::Status ran = backend.Run({.method = name, .inputs = views, .rows = 1}, outputs);
        !ran.ok()) {
      return absl::Status(ran.code(),
                          StrCat("running '", name, "' on the example: ", ran.message()));
    }
    RETURN_IF_ERROR(CheckOutputs(method, outputs.views()));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::worker
