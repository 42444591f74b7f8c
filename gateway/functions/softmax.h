#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `softmax(scores)`: probabilities that add up to 1, from fp32[N] or fp64[N] (N may be open), of
// the same type. Large scores don't overflow. A score of -inf gets 0; a row with NaN, with +inf, or
// of nothing but -inf becomes NaN throughout, as in the usual engines. An empty row stays empty.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeSoftmax(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
