#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `cast(x, 'fp32')`: the elements of a tensor as another type, in the same shape. From and to bool,
// the integers, fp32 and fp64.
//   to an integer: cut towards 0. INVALID_ARGUMENT, with the value, where it is out of range or
//   NaN. to fp32, fp64: rounded to the nearest; beyond the largest fp32, infinite. NaN stays NaN.
//   to bool: true unless 0. INVALID_ARGUMENT for NaN.
//   from bool: 1 or 0.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeCast(std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
