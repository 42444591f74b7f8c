#include "worker/runtime/example.h"

#include <algorithm>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/runtime/example_inputs.h"
#include "worker/runtime/heap_outputs.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;

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
    ASSIGN_OR_RETURN(
        const ExampleInputs inputs,
        ExampleInputs::Create(method, kept == example.end() ? json::object() : *kept, /*rows=*/1));
    HeapOutputs outputs(method.outputs.size());
    if (const absl::Status ran =
            backend.Run({.method = name, .inputs = inputs.views(), .rows = 1}, outputs);
        !ran.ok()) {
      return absl::Status(ran.code(),
                          StrCat("running '", name, "' on the example: ", ran.message()));
    }
    RETURN_IF_ERROR(CheckOutputs(method, outputs.views()));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::worker
