#include "gateway/client/inputs.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/config/name_hint.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/json_tensor.h"
#include "gateway/api/text.h"
#include "gateway/client/npy.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::client {
namespace {

using Arguments = std::vector<const Argument*>;
using nlohmann::json;

// What to write for an input of this type.
std::string Example(const Port& port) {
  const std::string& name = port.spec.name;
  switch (port.spec.type.kind) {
    case ValueKind::kImage:
    case ValueKind::kBytes:
      return StrCat(name, "=@FILE");
    case ValueKind::kText:
      return StrCat(name, "='some text', or ", name, "=@FILE");
    case ValueKind::kJson:
      return StrCat(name, "='{\"any\": \"JSON\"}', or ", name, "=@FILE");
    case ValueKind::kTensor:
      break;
  }
  const size_t depth = port.Pattern().size();
  return StrCat(name, "='", std::string(depth, '['), depth == 0 ? "0" : "0, 1, ...",
                std::string(depth, ']'), "', or ", name, "=@FILE with JSON or .npy");
}

absl::Status Wrong(const Port& port, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("input '", port.spec.name, "' is ", port.TypeText(),
                                           ", but ", what, "; write ", Example(port)));
}

absl::StatusOr<RawTensor> FromNpy(const Port& port, const Argument& argument) {
  const absl::StatusOr<TensorView> array = ReadNpy(argument.content);
  if (!array.ok()) return Wrong(port, StrCat("the file ", Message(array.status())));
  if (array->dtype != port.spec.type.dtype) {
    return Wrong(port, StrCat("the array is ", ToLower(DataTypeName(array->dtype)),
                              ShapeToString(array->shape), ": convert it with array.astype()"));
  }
  return RawTensor{.shape = array->shape, .bytes = std::string(AsStringView(array->bytes))};
}

size_t Depth(const json& value) {
  size_t depth = 0;
  for (const json* inner = &value; inner->is_array(); inner = &inner->front()) {
    ++depth;
    if (inner->empty()) break;
  }
  return depth;
}

absl::StatusOr<RawTensor> FromJson(const Port& port, const Argument& argument) {
  const DataType dtype = port.spec.type.dtype;
  if (dtype == DataType::kFp16 || dtype == DataType::kBf16) {
    return Wrong(port, "JSON has no such numbers: give an .npy file");
  }
  json value = json::parse(argument.content, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    return Wrong(port, argument.from_file ? "the file is neither JSON nor .npy"
                                          : "what is written is not JSON");
  }
  if (port.has_rows && Depth(value) == port.spec.type.shape.size()) value = json::array({value});
  absl::StatusOr<RawTensor> tensor =
      TensorFromJson(value, dtype, port.Pattern(), BytesForm::kBase64);
  if (!tensor.ok()) return Wrong(port, Message(tensor.status()));
  return tensor;
}

absl::StatusOr<RawTensor> TensorOf(const Port& port, const Argument& argument) {
  ASSIGN_OR_RETURN(RawTensor tensor,
                   IsNpy(argument.content) ? FromNpy(port, argument) : FromJson(port, argument));
  const Shape pattern = port.Pattern();
  // One row by itself will do.
  if (port.has_rows && tensor.shape.size() + 1 == pattern.size()) {
    tensor.shape.insert(tensor.shape.begin(), 1);
  }
  if (!ShapeMatches(tensor.shape, pattern)) {
    return Wrong(port, StrCat("its shape is ", ShapeToString(tensor.shape)));
  }
  return tensor;
}

absl::Status CheckSingle(const Port& port, const Argument& argument) {
  switch (port.spec.type.kind) {
    case ValueKind::kImage: {
      if (argument.from_file) return absl::OkStatus();
      std::error_code code;
      if (!std::filesystem::exists(argument.content, code)) {
        return Wrong(port, StrCat(config::Quoted(argument.content), " is no file's content"));
      }
      return absl::InvalidArgumentError(StrCat("input '", port.spec.name, "' is an image; to send ",
                                               "the file, write ", port.spec.name, "=@",
                                               argument.content));
    }
    case ValueKind::kText:
      if (IsValidUtf8(argument.content)) return absl::OkStatus();
      return Wrong(port, "this is not UTF-8");
    case ValueKind::kJson:
      if (json::accept(argument.content)) return absl::OkStatus();
      return Wrong(port, StrCat(argument.from_file ? "the file" : "what is written",
                                " does not parse as JSON"));
    default:
      return absl::OkStatus();
  }
}

absl::StatusOr<RawTensor> InputOf(const Port& port, const Arguments& arguments) {
  const bool is_tensor = port.spec.type.kind == ValueKind::kTensor;
  if (arguments.size() > 1 && (is_tensor || !port.has_rows)) {
    return absl::InvalidArgumentError(StrCat("input '", port.spec.name, "' is given twice; it is ",
                                             port.TypeText(), ": write it once"));
  }
  if (is_tensor) return TensorOf(port, *arguments.front());
  RawTensor rows{.shape = {static_cast<int64_t>(arguments.size())}, .bytes = ""};
  for (const Argument* argument : arguments) {
    RETURN_IF_ERROR(CheckSingle(port, *argument));
    AppendBytesElement(argument->content, rows.bytes);
  }
  return rows;
}

// The arguments of each input.
absl::StatusOr<std::vector<Arguments>> Assign(const Model& model,
                                              const std::vector<Argument>& arguments) {
  std::vector<Arguments> assigned(model.inputs.size());
  for (const Argument& argument : arguments) {
    if (argument.name.empty()) continue;
    const Port* found = FindPort(model.inputs, argument.name);
    if (found == nullptr) {
      return absl::InvalidArgumentError(
          StrCat("there is no input ", config::Quoted(argument.name),
                 model.Hint(argument.name, model.inputs),
                 "; a text that has a '=' in it is written NAME=TEXT too"));
    }
    assigned[static_cast<size_t>(found - model.inputs.data())].push_back(&argument);
  }
  const auto free = static_cast<size_t>(
      std::find_if(assigned.begin(), assigned.end(), [](const auto& of) { return of.empty(); }) -
      assigned.begin());
  const auto free_count =
      std::count_if(assigned.begin(), assigned.end(), [](const auto& of) { return of.empty(); });
  for (const Argument& argument : arguments) {
    if (!argument.name.empty()) continue;
    if (free_count != 1) {
      return absl::InvalidArgumentError(StrCat(
          config::Quoted(argument.written), free_count == 0 ? " is one too many" : " has no name",
          "; inputs are written NAME=VALUE or NAME=@FILE: ", model.SignatureText()));
    }
    assigned[free].push_back(&argument);
  }
  return assigned;
}

}  // namespace

absl::StatusOr<inference::ModelInferRequest> MakeRequest(const Model& model,
                                                         const std::vector<Argument>& arguments) {
  ASSIGN_OR_RETURN(const std::vector<Arguments> assigned, Assign(model, arguments));
  std::vector<std::string> missing;
  inference::ModelInferRequest request;
  request.set_model_name(model.name);
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const Port& port = model.inputs[i];
    if (assigned[i].empty()) {
      missing.push_back(StrCat("input '", port.spec.name, "' is missing; it is ", port.TypeText(),
                               ": write ", Example(port)));
      continue;
    }
    ASSIGN_OR_RETURN(RawTensor value, InputOf(port, assigned[i]));
    auto& input = *request.add_inputs();
    input.set_name(port.spec.name);
    input.set_datatype(std::string(DataTypeName(port.spec.type.dtype)));
    input.mutable_shape()->Add(value.shape.begin(), value.shape.end());
    request.add_raw_input_contents(std::move(value.bytes));
  }
  if (!missing.empty()) return absl::InvalidArgumentError(absl::StrJoin(missing, "\n"));
  return request;
}

}  // namespace tiffin::gateway::client
