#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tiffin::bench {

// The whole content of the file.
absl::StatusOr<std::string> ReadFile(const std::string& name);

}  // namespace tiffin::bench
