#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `top_k(scores, k=3)`: the indices of the k highest scores, int64[k], best first, from a tensor of
// one dimension of integers, fp32 or fp64. Of equals the lower index is first. A score that is not
// a number is left out; INVALID_ARGUMENT where fewer than k are left. k is a literal from 1 to the
// number of scores.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeTopK(std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
