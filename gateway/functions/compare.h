#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `compare(a, b)`: do two models give the same answer? Each argument is a tensor of one dimension,
// one score for each possible answer; the answer is the index of the highest (the lower of equals).
// Returns a text for each row, and logs one record for each:
//   7 (agree: model_a 7 0.98, model_b 7 0.99)
//   disagree: model_a 3 0.51, model_b 8 0.88
// A score that is not a number is never the highest.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeCompare(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
