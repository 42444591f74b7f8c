#pragma once

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "worker/torch/script_module.h"

namespace tiffin::worker {

// nullopt where the other side has no such type.
std::optional<c10::ScalarType> ToTorch(DataType dtype);
std::optional<DataType> FromTorch(c10::ScalarType type);

// A model's method, and which argument of `forward` each of its inputs is.
struct BoundMethod {
  MethodSignature method;
  std::vector<size_t> arguments;
};

// Binds the declared inputs to the module's arguments and runs zeros: to find the outputs where
// none are declared, else to check them; and so that the module's first runs are over.
// INVALID_ARGUMENT names the fix.
absl::StatusOr<BoundMethod> BindMethod(const Signature& declared, ScriptModule& module);

// The tensors of `answer` in the order of the outputs.
absl::StatusOr<std::vector<at::Tensor>> InOrder(ScriptModule::Answer answer,
                                                const std::vector<TensorSpec>& outputs);
// Checks a tensor that the model answered to `rows` rows.
absl::Status CheckOutput(const at::Tensor& tensor, const TensorSpec& output, bool batchable,
                         int64_t rows);

}  // namespace tiffin::worker
