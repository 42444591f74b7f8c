#pragma once

#include <filesystem>
#include <span>

#include "absl/status/status.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// Writes a picture of each API's graph to `folder`, as <service>.<api>.svg, by Graphviz' program
// `dot`. FAILED_PRECONDITION where that is not installed. Blocks.
absl::Status WriteGraphs(std::span<const PlannedService> services,
                         const std::filesystem::path& folder);

}  // namespace tiffin::gateway
