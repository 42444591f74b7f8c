#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// A value of type text (or json, or bytes) with these rows.
Value TextRows(std::span<const std::string> rows);

// And back, one for each row. INVALID_ARGUMENT for broken framing.
absl::StatusOr<std::vector<std::string>> ReadTextRows(const Value& value);

}  // namespace tiffin::gateway
