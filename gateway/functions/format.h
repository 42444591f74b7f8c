#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `format('{label} {score:.2f}', label=feeling.label, score=feeling.score)`: a text made from
// values. The template is written as for Python's str.format (https://fmt.dev/latest/syntax.html);
// `{{` and `}}` stand for braces. A value is text, or a single number; each must have its field.
// Returns a text for each row.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeFormat(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
