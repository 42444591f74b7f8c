#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `label(index, ['cat', 'dog'])`, `label(scores, ['cat', 'dog'])`: the text at an index, which is
// int64[] or int32[], or at that of the highest score, as argmax(scores) finds it. There must be as
// many labels as scores. INVALID_ARGUMENT for an index that has no label.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeLabel(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
