#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `select(a, b, ..., index=0)`: one of several values of one type, when all of them are there.
// Reads none of their bytes.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeSelect(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
