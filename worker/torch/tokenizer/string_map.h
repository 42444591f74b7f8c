#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace tiffin::worker {

struct StringViewHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

// From text to a token's number; looked up by std::string_view.
using StringMap = absl::flat_hash_map<std::string, int64_t, StringViewHash, std::equal_to<>>;

}  // namespace tiffin::worker
