#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// `format('{label} {score:.2f}', label=feeling.label, score=feeling.score)`: a text made from
// values. The template is fmt's (https://fmt.dev/latest/syntax.html), much like Python's
// str.format, with widths and precisions of up to 3 digits; `{{` and `}}` stand for braces. A value
// is text, or a single number; each must have its field. Returns a text for each row.
absl::StatusOr<std::unique_ptr<StepFunction>> MakeFormat(
    std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
