#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `threshold(score, at=0.5)`: true where the score is `at` or more, from fp32 or fp64: one number,
// or a tensor of one dimension. Gives bool of the same shape. `at` is a literal, rounded to the
// type of the scores first, so that 0.7 as fp32 reaches at=0.7. NaN gives false.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeThreshold(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
