#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `reshape(x, [2, -1])`: the same elements in another shape, row by row (the row dimension is not
// part of it). Takes a tensor of any type but BYTES. At most one dimension is -1, and is found from
// the number of elements; [] makes one element a single number. INVALID_ARGUMENT where the numbers
// of elements differ: when the file is checked, or at run time where a size is open until then.
// Copies and reads no bytes.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeReshape(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
