#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/status.h"

namespace tiffin::gateway {

// Writes a file that a command was asked for, and the folders that it lies in. The error names it.
absl::Status WriteFile(const std::filesystem::path& path, std::string_view content);

}  // namespace tiffin::gateway
