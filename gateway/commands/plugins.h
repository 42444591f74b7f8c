#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/graph/extensions.h"
#include "gateway/graph/plugin.h"

namespace tiffin::gateway {

// The functions that are built in, and what `own` (may be null), which is part of this program, and
// the plugins, which are files, add to them. Plugins stay loaded. INVALID_ARGUMENT names the plugin
// that is missing, is none, is of another Tiffin, or adds a name that is there.
absl::StatusOr<Extensions> LoadExtensions(AddExtensions own, std::span<const std::string> plugins);

}  // namespace tiffin::gateway
