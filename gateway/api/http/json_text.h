#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {

// JSON takes many times its size in memory while it is parsed.
inline constexpr size_t kMaxJsonBytes = size_t{32} << 20;

// Where a key that an object has twice is an error.
enum class UniqueKeys { kAtTop, kEverywhere };

// Parsed, if it is whole and not too deep. An error names the text as `what`: "the body".
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view what,
                                         UniqueKeys unique);

}  // namespace tiffin::gateway::http
