#include "worker/torch/signature.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

constexpr std::array<std::pair<DataType, c10::ScalarType>, 13> kTypes = {{
    {DataType::kBool, c10::kBool},
    {DataType::kUint8, c10::kByte},
    {DataType::kUint16, c10::kUInt16},
    {DataType::kUint32, c10::kUInt32},
    {DataType::kUint64, c10::kUInt64},
    {DataType::kInt8, c10::kChar},
    {DataType::kInt16, c10::kShort},
    {DataType::kInt32, c10::kInt},
    {DataType::kInt64, c10::kLong},
    {DataType::kFp16, c10::kHalf},
    {DataType::kFp32, c10::kFloat},
    {DataType::kFp64, c10::kDouble},
    {DataType::kBf16, c10::kBFloat16},
}};

// What a -1 of the inputs is when zeros are run. Two sizes, to see which outputs follow them; most
// networks that halve their input a few times take these.
constexpr std::array<int64_t, 2> kOpenSizes = {32, 48};

std::string ArgumentList(const ScriptModule& module) {
  std::string list;
  for (const std::string& name : module.argument_names()) {
    list += StrCat(list.empty() ? "" : ", ", name);
  }
  return list;
}

Shape ShapeOf(const at::Tensor& tensor) { return {tensor.sizes().begin(), tensor.sizes().end()}; }

absl::Status CheckInput(const TensorSpec& input, size_t argument, const ScriptModule& module) {
  if (!module.TakesTensor(argument)) {
    return absl::InvalidArgumentError(
        StrCat("argument '", module.argument_names()[argument],
               "' of the model's forward is not a tensor; give it a default in the model, and ",
               "leave it out of the signature"));
  }
  if (!ToTorch(input.type.dtype).has_value()) {
    return absl::InvalidArgumentError(StrCat("input '", input.name, "' is ", ToString(input.type),
                                             ", which Torch does not have; declare numbers"));
  }
  return absl::OkStatus();
}

// Which argument each input is; gives names to the inputs that have none.
absl::StatusOr<std::vector<size_t>> BindInputs(std::vector<TensorSpec>& inputs,
                                               const ScriptModule& module) {
  const std::vector<std::string>& names = module.argument_names();
  const auto position = [&names](const std::string& name) {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  const bool by_name = std::all_of(inputs.begin(), inputs.end(), [&](const TensorSpec& input) {
    return position(input.name) < names.size();
  });
  std::vector<size_t> arguments;
  std::vector<bool> given(names.size(), false);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t argument = by_name ? position(inputs[i].name) : i;
    if (argument >= names.size() || given[argument]) {
      return absl::InvalidArgumentError(StrCat("the signature has ", inputs.size(),
                                               " inputs, but the model is forward(",
                                               ArgumentList(module), "); declare one for each"));
    }
    if (inputs[i].name.empty()) inputs[i].name = names[argument];
    RETURN_IF_ERROR(CheckInput(inputs[i], argument, module));
    given[argument] = true;
    arguments.push_back(argument);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (given[i] || module.HasDefault(i)) continue;
    return absl::InvalidArgumentError(StrCat("no input of the signature is the argument '",
                                             names[i], "' of the model's forward(",
                                             ArgumentList(module), "); declare it"));
  }
  return arguments;
}

absl::StatusOr<ScriptModule::Answer> RunZeros(ScriptModule& module, const BoundMethod& bound,
                                              int64_t rows, int64_t open_size) {
  std::vector<at::Tensor> zeros;
  try {
    for (const TensorSpec& input : bound.method.inputs) {
      Shape shape = input.type.shape;
      std::replace(shape.begin(), shape.end(), int64_t{-1}, open_size);
      if (bound.method.batchable) shape.insert(shape.begin(), rows);
      zeros.push_back(at::zeros(at::IntArrayRef(shape.data(), shape.size()),
                                at::TensorOptions(ToTorch(input.type.dtype).value())));
    }
  } catch (const std::exception&) {
    return absl::ResourceExhaustedError("no memory for inputs of this shape");
  }
  return module.Run(bound.arguments, std::move(zeros));
}

// The row types of `answer`, named as the model names them or by the convention of
// worker/torch/backend.h.
absl::StatusOr<std::vector<TensorSpec>> DescribeOutputs(const ScriptModule::Answer& answer,
                                                        bool batchable, int64_t rows) {
  std::vector<TensorSpec> outputs;
  for (size_t i = 0; i < answer.tensors.size(); ++i) {
    const at::Tensor& tensor = answer.tensors[i];
    const std::string name = answer.names.empty() ? StrCat("output", i) : answer.names[i];
    const std::optional<DataType> dtype = FromTorch(tensor.scalar_type());
    if (!dtype.has_value()) {
      return absl::InvalidArgumentError(
          StrCat("the model's output '", name, "' is ", c10::toString(tensor.scalar_type()),
                 ", which cannot be served; convert it in the model"));
    }
    Shape shape = ShapeOf(tensor);
    if (batchable) {
      if (shape.empty() || shape[0] != rows) {
        return absl::InvalidArgumentError(StrCat(
            "the model's output '", name, "' has the shape ", ShapeToString(shape), " for ", rows,
            " rows: its first dimension is not the rows; declare the method as not batchable"));
      }
      shape.erase(shape.begin());
    }
    outputs.push_back({name, TensorType(*dtype, shape)});
  }
  const bool is_float_vector = outputs.size() == 1 && answer.names.empty() &&
                               outputs[0].type.shape.size() == 1 &&
                               c10::isFloatingType(answer.tensors[0].scalar_type());
  if (is_float_vector) outputs[0].name = "scores";
  return outputs;
}

// Every dimension that differs between two runs is open.
absl::Status OpenWhatVaries(std::vector<TensorSpec>& outputs,
                            const std::vector<TensorSpec>& others) {
  if (outputs.size() != others.size()) {
    return absl::InvalidArgumentError("the model answers now more, now fewer tensors");
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    Shape& shape = outputs[i].type.shape;
    const Shape& other = others[i].type.shape;
    if (shape.size() != other.size()) {
      return absl::InvalidArgumentError(
          StrCat("the model's output '", outputs[i].name, "' has now more, now fewer dimensions"));
    }
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] != other[d]) shape[d] = -1;
    }
  }
  return absl::OkStatus();
}

// Runs zeros in all sizes that make a difference.
absl::Status FindOutputs(ScriptModule& module, BoundMethod& bound) {
  const bool batchable = bound.method.batchable;
  for (const int64_t open_size : kOpenSizes) {
    for (int64_t rows = 1; rows <= (batchable ? 2 : 1); ++rows) {
      const absl::StatusOr<ScriptModule::Answer> answer = RunZeros(module, bound, rows, open_size);
      if (!answer.ok()) {
        return absl::InvalidArgumentError(
            StrCat("the model does not take zeros of its declared inputs (",
                   Message(answer.status()), "); correct the inputs, or declare the outputs too"));
      }
      ASSIGN_OR_RETURN(std::vector<TensorSpec> outputs, DescribeOutputs(*answer, batchable, rows));
      if (bound.method.outputs.empty()) {
        bound.method.outputs = std::move(outputs);
      } else {
        RETURN_IF_ERROR(OpenWhatVaries(bound.method.outputs, outputs));
      }
    }
  }
  return absl::OkStatus();
}

// Checks the outputs on zeros. Zeros that the model does not take prove nothing.
absl::Status WarmUp(ScriptModule& module, const BoundMethod& bound) {
  for (const int64_t rows : {1, 1, 2, 2}) {
    if (rows > 1 && !bound.method.batchable) continue;
    absl::StatusOr<ScriptModule::Answer> answer = RunZeros(module, bound, rows, kOpenSizes[0]);
    if (!answer.ok()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<at::Tensor> tensors,
                     InOrder(*std::move(answer), bound.method.outputs));
    for (size_t i = 0; i < tensors.size(); ++i) {
      RETURN_IF_ERROR(
          CheckOutput(tensors[i], bound.method.outputs[i], bound.method.batchable, rows));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<c10::ScalarType> ToTorch(DataType dtype) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == dtype) return theirs;
  }
  return std::nullopt;
}

std::optional<DataType> FromTorch(c10::ScalarType type) {
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs == type) return ours;
  }
  return std::nullopt;
}

absl::StatusOr<BoundMethod> BindMethod(const Signature& declared, ScriptModule& module) {
  BoundMethod bound;
  for (const auto& [name, method] : declared) {
    if (name != kDefaultMethod) {
      return absl::InvalidArgumentError(
          StrCat("TorchScript models have the method 'run' only, and '", name, "' is declared"));
    }
    bound.method = method;
  }
  if (bound.method.inputs.empty()) {
    return absl::InvalidArgumentError(StrCat(
        "a TorchScript file does not tell the types of its inputs; declare those of ", "forward(",
        ArgumentList(module), "), as in 'tiffin models import ... --input ", "features:fp32[64]'"));
  }
  ASSIGN_OR_RETURN(bound.arguments, BindInputs(bound.method.inputs, module));
  if (bound.method.outputs.empty()) RETURN_IF_ERROR(FindOutputs(module, bound));
  const absl::Status status = WarmUp(module, bound);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        StrCat("the declared signature is not the model's: ", Message(status)));
  }
  return bound;
}

absl::StatusOr<std::vector<at::Tensor>> InOrder(ScriptModule::Answer answer,
                                                const std::vector<TensorSpec>& outputs) {
  if (answer.tensors.size() != outputs.size()) {
    return absl::InternalError(StrCat("the model answers ", answer.tensors.size(),
                                      " tensors, and the signature has ", outputs.size(),
                                      " outputs; run 'tiffin models import' again"));
  }
  if (!answer.is_dict) return std::move(answer.tensors);
  std::vector<at::Tensor> tensors;
  for (const TensorSpec& output : outputs) {
    const auto it = std::find(answer.names.begin(), answer.names.end(), output.name);
    if (it == answer.names.end()) {
      return absl::InternalError(StrCat("the model's answer has no '", output.name,
                                        "'; name the outputs as the dict's keys"));
    }
    tensors.push_back(answer.tensors[static_cast<size_t>(it - answer.names.begin())]);
  }
  return tensors;
}

absl::Status CheckOutput(const at::Tensor& tensor, const TensorSpec& output, bool batchable,
                         int64_t rows) {
  Shape wanted = output.type.shape;
  if (batchable) wanted.insert(wanted.begin(), rows);
  const std::optional<DataType> dtype = FromTorch(tensor.scalar_type());
  const Shape shape = ShapeOf(tensor);
  if (dtype == output.type.dtype && ShapeMatches(shape, wanted)) return absl::OkStatus();
  return absl::InternalError(StrCat(
      "the model answered ", c10::toString(tensor.scalar_type()), ShapeToString(shape),
      " as output '", output.name, "', where the signature says ", DataTypeName(output.type.dtype),
      ShapeToString(wanted), "; run 'tiffin models import' again with the right signature"));
}

}  // namespace tiffin::worker
