#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace tiffin::gateway {

// What was shown to a worker elsewhere that was asked.
enum class Shown { kPlain, kTls };

// What the user may do about an answer that isn't one: " (give ...)". Empty where the text of
// `status`, which may be gRPC's own, says enough.
std::string_view AdviceOn(const absl::Status& status, Shown shown);

}  // namespace tiffin::gateway
