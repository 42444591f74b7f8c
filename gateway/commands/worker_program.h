#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/statusor.h"

namespace tiffin::gateway {

// Where the worker program for `backend` lies: tiffin-worker-<backend> in `folder`. NOT_FOUND names
// the backends whose workers are there.
absl::StatusOr<std::filesystem::path> FindWorkerProgram(std::string_view backend,
                                                        const std::filesystem::path& folder);

}  // namespace tiffin::gateway
