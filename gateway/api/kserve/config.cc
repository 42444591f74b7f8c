#include "gateway/api/kserve/config.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>

#include "absl/strings/numbers.h"
#include "common/strings.h"
#include "gateway/api/interface.h"

namespace tiffin::gateway::kserve {
namespace {

inference::DataType TypeOf(DataType dtype) {
  switch (dtype) {
    case DataType::kBool:
      return inference::TYPE_BOOL;
    case DataType::kUint8:
      return inference::TYPE_UINT8;
    case DataType::kUint16:
      return inference::TYPE_UINT16;
    case DataType::kUint32:
      return inference::TYPE_UINT32;
    case DataType::kUint64:
      return inference::TYPE_UINT64;
    case DataType::kInt8:
      return inference::TYPE_INT8;
    case DataType::kInt16:
      return inference::TYPE_INT16;
    case DataType::kInt32:
      return inference::TYPE_INT32;
    case DataType::kInt64:
      return inference::TYPE_INT64;
    case DataType::kFp16:
      return inference::TYPE_FP16;
    case DataType::kFp32:
      return inference::TYPE_FP32;
    case DataType::kFp64:
      return inference::TYPE_FP64;
    case DataType::kBytes:
      return inference::TYPE_STRING;
    case DataType::kBf16:
      return inference::TYPE_BF16;
    case DataType::kInvalid:
      break;
  }
  return inference::TYPE_INVALID;
}

// Rows are not among the dimensions: max_batch_size tells of them.
template <typename Tensors>
void AddTensors(const std::vector<TensorSpec>& specs, bool has_rows, Tensors& tensors) {
  for (const TensorSpec& spec : specs) {
    auto& tensor = *tensors.Add();
    tensor.set_name(spec.name);
    tensor.set_data_type(TypeOf(spec.type.dtype));
    const Shape shape = ClientShape(spec.type, has_rows);
    tensor.mutable_dims()->Add(shape.begin() + (has_rows ? 1 : 0), shape.end());
  }
}

// What an ensemble calls the tensor.
std::string TensorName(const PlannedApi& api, const ValueSource& source) {
  if (source.from == ValueSource::From::kInput) return api.inputs[source.index].name;
  for (const PlannedOutput& output : api.outputs) {
    if (output.source.from == source.from && output.source.index == source.index &&
        output.source.output == source.output) {
      return output.spec.name;
    }
  }
  const PlannedStep& step = api.steps[source.index];
  return StrCat(step.name, ".", step.outputs[source.output].name);
}

void AddStep(const PlannedApi& api, size_t index, const ModelTable& models,
             inference::ModelEnsembling& ensemble) {
  const PlannedStep& step = api.steps[index];
  const PlannedCall* const call = step.call();
  if (call == nullptr) return;
  auto& added = *ensemble.add_step();
  RunnerEntry callee;
  callee.service = api.service;
  callee.runner = call->runner;
  callee.method = call->method;
  added.set_model_name(NameOf(&callee));
  int64_t version = 1;
  const absl::StatusOr<const Model*> model = models.Find(added.model_name(), "");
  if (model.ok() && absl::SimpleAtoi((*model)->version, &version)) added.set_model_version(version);
  for (size_t i = 0; i < step.arguments.size(); ++i) {
    if (const auto* source = std::get_if<ValueSource>(&step.arguments[i])) {
      (*added.mutable_input_map())[call->signature.inputs[i].name] = TensorName(api, *source);
    }
  }
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    (*added.mutable_output_map())[step.outputs[i].name] =
        TensorName(api, {.from = ValueSource::From::kStep, .index = index, .output = i});
  }
}

int32_t MaxBatchSize(const Interface& interface) {
  if (!interface.has_rows) return 0;
  constexpr int64_t kAny = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(
      interface.max_batch_size == 0 ? kAny : std::min(interface.max_batch_size, kAny));
}

}  // namespace

inference::ModelConfig ConfigOf(const Model& model, const ModelTable& models) {
  inference::ModelConfig config;
  const Interface& interface = model.interface;
  config.set_name(interface.name);
  config.set_max_batch_size(MaxBatchSize(interface));
  AddTensors(interface.inputs, interface.has_rows, *config.mutable_input());
  AddTensors(interface.outputs, interface.has_rows, *config.mutable_output());
  if (const auto* const* api = std::get_if<const PlannedApi*>(&model.target)) {
    config.set_platform("ensemble");
    auto& ensemble = *config.mutable_ensemble_scheduling();
    for (size_t i = 0; i < (*api)->steps.size(); ++i) AddStep(**api, i, models, ensemble);
  } else {
    config.set_platform(model.platform);
    config.set_backend(model.platform);
    // Workers name a limit where they put calls together.
    if (interface.max_batch_size > 0) config.mutable_dynamic_batching();
  }
  return config;
}

}  // namespace tiffin::gateway::kserve
