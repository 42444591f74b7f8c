#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `if_empty(text, 'NO TEXT', otherwise)`: the second where `text` is empty or all white space, the
// third where it is not. The second is a literal, the third a text. Row by row; all steps that it
// needs run in any case.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeIfEmpty(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
