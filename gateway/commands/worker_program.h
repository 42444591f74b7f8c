#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tiffin::gateway {

// The backends whose worker programs are in `folder`, sorted.
std::vector<std::string> BackendsIn(const std::filesystem::path& folder);

// Where the worker program for `backend` lies: tiffin-worker-<backend> in `folder`. NOT_FOUND names
// the backends whose workers are there.
absl::StatusOr<std::filesystem::path> FindWorkerProgram(std::string_view backend,
                                                        const std::filesystem::path& folder);

}  // namespace tiffin::gateway
