#include "worker/torch/token_model.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"

namespace tiffin::worker {
namespace {

constexpr std::string_view kIds = "input_ids";
constexpr std::string_view kMask = "attention_mask";
constexpr std::string_view kTypes = "token_type_ids";

absl::Status WrongArguments(const ScriptModule& module) {
  std::string list;
  for (const std::string& name : module.argument_names()) {
    list += StrCat(list.empty() ? "" : ", ", name);
  }
  return absl::InvalidArgumentError(
      StrCat("a text model is forward(input_ids, attention_mask), or has token_type_ids for a ",
             "third argument, all of them tensors; this one is forward(", list,
             "): wrap it in a module that is"));
}

// By name where both names are there, else by position.
std::vector<size_t> Bind(const ScriptModule& module) {
  const std::vector<std::string>& names = module.argument_names();
  const auto position = [&names](std::string_view name) {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  std::vector<size_t> arguments = {0, 1};
  if (position(kIds) < names.size() && position(kMask) < names.size()) {
    arguments = {position(kIds), position(kMask)};
  }
  if (const size_t types = position(kTypes); types < names.size()) {
    arguments.push_back(types);
  } else if (names.size() == 3 && !module.HasDefault(2)) {
    arguments.push_back(2);
  }
  return arguments;
}

}  // namespace

absl::StatusOr<TokenModel> TokenModel::Create(ScriptModule module) {
  const size_t count = module.argument_names().size();
  std::vector<size_t> arguments = Bind(module);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t argument = arguments[i];
    const bool twice = std::count(arguments.begin(), arguments.end(), argument) > 1;
    if (argument >= count || twice || !module.TakesTensor(argument)) return WrongArguments(module);
  }
  for (size_t i = 0; i < count; ++i) {
    const bool given = std::find(arguments.begin(), arguments.end(), i) != arguments.end();
    if (!given && !module.HasDefault(i)) return WrongArguments(module);
  }
  return TokenModel(std::move(module), std::move(arguments));
}

TokenModel::TokenModel(ScriptModule module, std::vector<size_t> arguments)
    : module_(std::move(module)), arguments_(std::move(arguments)) {}

absl::StatusOr<TokenModel::Logits> TokenModel::Run(std::span<const std::vector<int64_t>> rows,
                                                   int64_t padding) {
  try {
    const c10::InferenceMode guard;
    size_t longest = 0;
    for (const std::vector<int64_t>& row : rows) longest = std::max(longest, row.size());
    const std::vector<int64_t> shape = {static_cast<int64_t>(rows.size()),
                                        static_cast<int64_t>(longest)};
    std::vector<at::Tensor> inputs = {at::full(shape, padding, at::TensorOptions(at::kLong)),
                                      at::zeros(shape, at::TensorOptions(at::kLong))};
    int64_t* ids = inputs[0].mutable_data_ptr<int64_t>();
    int64_t* mask = inputs[1].mutable_data_ptr<int64_t>();
    for (const std::vector<int64_t>& row : rows) {
      std::copy(row.begin(), row.end(), ids);
      std::fill_n(mask, row.size(), 1);
      ids += longest;
      mask += longest;
    }
    if (arguments_.size() == 3) inputs.push_back(at::zeros_like(inputs[0]));
    ASSIGN_OR_RETURN(const ScriptModule::Answer answer, module_.Run(arguments_, std::move(inputs)));
    const bool is_logits = answer.tensors.size() == 1 && answer.tensors[0].dim() == 2 &&
                           answer.tensors[0].size(0) == shape[0] &&
                           answer.tensors[0].is_floating_point();
    if (!is_logits) {
      return absl::InternalError(
          StrCat("the model answers ", answer.tensors.size(), " tensors",
                 answer.tensors.empty()
                     ? std::string()
                     : StrCat(", the first of shape ", ShapeToString(answer.tensors[0].sizes())),
                 "; it must answer one of numbers, [", rows.size(), ",labels] for ", rows.size(),
                 " rows"));
    }
    const at::Tensor values = answer.tensors[0].to(at::kFloat).contiguous();
    const float* begin = values.const_data_ptr<float>();
    return Logits{.values = {begin, begin + values.numel()},
                  .classes = static_cast<size_t>(values.size(1))};
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory left");
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace tiffin::worker
