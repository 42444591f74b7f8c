#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `one_line(text)`: the text with each run of white space (line breaks too) as one space, and none
// at its ends. White space is ASCII's.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeOneLine(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
