#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// The highest of some scores, and where it is.
struct Highest {
  size_t index = 0;
  double score = 0;  // Rounded, for integers beyond 2^53.
};

// True for what HighestOf takes: a positional tensor of one dimension, not known to be empty, of
// integers, fp32 or fp64.
bool IsScores(const FunctionArgument& argument);

// Of equals the first; what is not a number is never the highest. INVALID_ARGUMENT, with `name`,
// where there is none.
absl::StatusOr<Highest> HighestOf(const std::string& name, const TensorView& row);

}  // namespace tiffin::gateway
