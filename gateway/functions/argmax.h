#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `argmax(scores)`: the index of the highest score, int64[], from a tensor of one dimension of
// integers, fp32 or fp64. Of equals it is the lower index. A score that is not a number is never
// the highest; INVALID_ARGUMENT where there is no other, or none at all.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeArgmax(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
