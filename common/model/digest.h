#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tiffin::model {

// The SHA-256 of `bytes`, in lower-case hex.
std::string Sha256Hex(std::string_view bytes);

// The SHA-256 of a regular file, read piece by piece. A symbolic link is refused: a model's folder
// holds its files itself.
absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& path);

}  // namespace tiffin::model
