#pragma once

#include <chrono>
#include <filesystem>
#include <functional>

#include "absl/status/status.h"

namespace tiffin::worker {

// Returns when `met` is true: asked at once, and again whenever something changes in `folder`.
// DEADLINE_EXCEEDED after `bound`; `what` names the wait. Blocks the calling thread.
absl::Status WaitInFolder(const std::filesystem::path& folder, std::chrono::milliseconds bound,
                          std::string_view what, const std::function<bool()>& met);

}  // namespace tiffin::worker
