#include "gateway/api/interface.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {
namespace {

// Rows cost work, and these cost their sender nothing.
constexpr int64_t kMaxEmptyRows = 65'536;

std::optional<size_t> FindSpec(std::span<const TensorSpec> specs, std::string_view name) {
  const auto it =
      std::find_if(specs.begin(), specs.end(), [&](const auto& spec) { return spec.name == name; });
  if (it == specs.end()) return std::nullopt;
  return static_cast<size_t>(it - specs.begin());
}

// What a single of this kind must be, beyond bytes.
absl::Status CheckSingle(const TensorSpec& spec, std::string_view content) {
  if (spec.type.kind == ValueKind::kText && !IsValidUtf8(content)) {
    return absl::InvalidArgumentError(
        StrCat("input '", spec.name, "' is text, but not valid UTF-8; encode it as UTF-8"));
  }
  if (spec.type.kind == ValueKind::kJson && !nlohmann::json::accept(content)) {
    return absl::InvalidArgumentError(
        StrCat("input '", spec.name, "' is json, but does not parse as JSON"));
  }
  return absl::OkStatus();
}

absl::Status CheckContent(const TensorSpec& spec, std::span<const int64_t> shape,
                          std::span<const std::byte> bytes) {
  const TensorView view{
      .dtype = spec.type.dtype, .shape = Shape(shape.begin(), shape.end()), .bytes = bytes};
  if (absl::Status valid = ValidateTensor(view); !valid.ok()) {
    return Annotate(valid, StrCat("input '", spec.name, "'"));
  }
  if (spec.type.kind == ValueKind::kText || spec.type.kind == ValueKind::kJson) {
    ASSIGN_OR_RETURN(const std::vector<std::string_view> elements, ParseBytesElements(bytes));
    for (const std::string_view element : elements) RETURN_IF_ERROR(CheckSingle(spec, element));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<size_t> Interface::FindInput(std::string_view input) const {
  return FindSpec(inputs, input);
}

std::optional<size_t> Interface::FindOutput(std::string_view output) const {
  return FindSpec(outputs, output);
}

std::string NameOf(InferTarget target) {
  if (const auto* const* api = std::get_if<const PlannedApi*>(&target)) {
    return StrCat((*api)->service, ".", (*api)->name);
  }
  const RunnerEntry& entry = *std::get<const RunnerEntry*>(target);
  if (entry.method == kDefaultMethod) return StrCat(entry.service, ".", entry.runner);
  return StrCat(entry.service, ".", entry.runner, ".", entry.method);
}

Interface InterfaceOf(InferTarget target) {
  Interface result;
  result.name = NameOf(target);
  if (const auto* const* api = std::get_if<const PlannedApi*>(&target)) {
    result.inputs = (*api)->inputs;
    for (const PlannedOutput& output : (*api)->outputs) result.outputs.push_back(output.spec);
    result.has_rows = (*api)->has_rows;
    return result;
  }
  const MethodSignature& signature = std::get<const RunnerEntry*>(target)->signature;
  result.inputs = signature.inputs;
  result.outputs = signature.outputs;
  result.has_rows = signature.batchable;
  result.max_batch_size = signature.max_batch_size;
  return result;
}

std::string NameList(std::span<const TensorSpec> specs) {
  std::string result;
  for (const TensorSpec& spec : specs) {
    if (!result.empty()) result += ", ";
    result += spec.name;
  }
  return result;
}

Shape ClientShape(const ValueType& type, bool has_rows) {
  if (type.kind != ValueKind::kTensor) return {has_rows ? -1 : 1};
  Shape shape = type.shape;
  if (has_rows) shape.insert(shape.begin(), -1);
  return shape;
}

absl::StatusOr<Shape> GraphShape(const TensorSpec& spec, bool has_rows,
                                 std::span<const int64_t> shape) {
  const Shape expected = ClientShape(spec.type, has_rows);
  if (!ShapeMatches(shape, expected)) {
    return absl::InvalidArgumentError(StrCat("input '", spec.name, "' has shape ",
                                             BoundedUtf8(ShapeToString(shape), 200), ", expected ",
                                             ShapeToString(expected)));
  }
  const absl::StatusOr<int64_t> count = ElementCount(shape);
  if (!count.ok()) return Annotate(count.status(), StrCat("input '", spec.name, "'"));
  if (has_rows && *count == 0 && shape.front() > kMaxEmptyRows) {
    return absl::InvalidArgumentError(StrCat("input '", spec.name, "' has shape ",
                                             ShapeToString(shape), ": at most ", kMaxEmptyRows,
                                             " rows without elements"));
  }
  if (has_rows && shape.front() == 0) {
    return absl::InvalidArgumentError(StrCat("input '", spec.name, "' has shape ",
                                             ShapeToString(shape), ": no rows; send at least one"));
  }
  Shape result(shape.begin(), shape.end());
  // A single without rows is [1] on both sides.
  if (!has_rows && spec.type.kind == ValueKind::kTensor) result.insert(result.begin(), 1);
  return result;
}

absl::StatusOr<Shape> ReplyShape(const TensorSpec& spec, bool has_rows, const Value& value) {
  Shape shape = value.shape;
  const auto bad = [&] {
    return absl::InternalError(StrCat("output '", spec.name, "' is ", DataTypeName(value.dtype),
                                      ShapeToString(value.shape), ", not the declared ",
                                      ToString(spec.type), (has_rows ? " with rows" : "")));
  };
  if (shape.empty() || value.dtype != spec.type.dtype) return bad();
  if (!has_rows) {
    if (shape.front() != 1) return bad();
    if (spec.type.kind == ValueKind::kTensor) shape.erase(shape.begin());
  }
  if (!ShapeMatches(shape, ClientShape(spec.type, has_rows))) return bad();
  return shape;
}

absl::StatusOr<Value> TakeInput(const TensorSpec& spec, bool has_rows,
                                std::span<const int64_t> shape, std::span<const std::byte> bytes,
                                ValueAllocator& allocator) {
  ASSIGN_OR_RETURN(Shape graph_shape, GraphShape(spec, has_rows, shape));
  RETURN_IF_ERROR(CheckContent(spec, shape, bytes));
  return allocator.Copy(spec.type.dtype, std::move(graph_shape), bytes);
}

absl::StatusOr<Value> ReadInput(const TensorSpec& spec, bool has_rows,
                                std::span<const int64_t> shape, uint64_t size, FillBytes read,
                                ValueAllocator& allocator) {
  ASSIGN_OR_RETURN(Shape graph_shape, GraphShape(spec, has_rows, shape));
  if (spec.type.dtype != DataType::kBytes) {
    if (absl::Status fits = ValidateByteSize(spec.type.dtype, shape, size); !fits.ok()) {
      return Annotate(fits, StrCat("input '", spec.name, "'"));
    }
  }
  ASSIGN_OR_RETURN(Value value,
                   allocator.Make(spec.type.dtype, std::move(graph_shape), size, read));
  ASSIGN_OR_RETURN(const TensorView view, value.View());
  RETURN_IF_ERROR(CheckContent(spec, shape, view.bytes));
  return value;
}

absl::StatusOr<InputSet> CompleteInputs(const Interface& target,
                                        std::vector<std::optional<Value>> values) {
  InputSet result;
  for (size_t i = 0; i < target.inputs.size(); ++i) {
    const TensorSpec& spec = target.inputs[i];
    if (!values[i].has_value()) {
      return absl::InvalidArgumentError(StrCat("input '", spec.name, "' of '", target.name,
                                               "' is missing; it is ", ToString(spec.type)));
    }
    if (i == 0) result.rows = values[i]->rows();
    if (values[i]->rows() != result.rows) {
      return absl::InvalidArgumentError(StrCat("input '", spec.name, "' has ", values[i]->rows(),
                                               " rows, but '", target.inputs[0].name, "' has ",
                                               result.rows, "; all need the same"));
    }
    result.values.push_back(*std::move(values[i]));
  }
  if (target.max_batch_size > 0 && result.rows > target.max_batch_size) {
    return absl::InvalidArgumentError(
        StrCat("'", target.name, "' takes at most ", target.max_batch_size,
               " rows in one request (its max_batch_size), not ", result.rows,
               "; send them in several requests, or to an API, which may have any number of rows"));
  }
  return result;
}

}  // namespace tiffin::gateway
