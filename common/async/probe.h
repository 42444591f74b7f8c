#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace tiffin {

// Asks grpc.health.v1 at `address` for `service` ("": the whole server). OK only if it is SERVING.
// Blocks for `timeout` at most.
absl::Status ProbeHealth(const std::string& address, const std::string& service,
                         absl::Duration timeout);

}  // namespace tiffin
