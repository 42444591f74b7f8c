#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `concat(a, b, ...)`: two values or more, one after the other. Tensors have one dimension and one
// element type (any), and their sizes are added: fp32[2] and fp32[3] give fp32[5], and an open size
// leaves the sum open. Texts are joined as they are, with nothing in between (for that, format).
absl::StatusOr<std::unique_ptr<StepFunction>> MakeConcat(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
