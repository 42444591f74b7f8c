#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/config/service.h"
#include "common/signature.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// As service files write it: `[1, 2.5, 'text', true]`.
std::string ToString(const config::Literal& literal);

// A literal given where `type` is expected, as a value of one row. A tensor takes a number, true or
// false, text (BYTES), or lists of them with the shape of `type`; `text` and `bytes` take text;
// `json` takes anything, text being the JSON itself. The error says what is wrong and what fits,
// without naming the argument.
absl::StatusOr<Value> LiteralValue(const config::Literal& literal, const ValueType& type);

}  // namespace tiffin::gateway
