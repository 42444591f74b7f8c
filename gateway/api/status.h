#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "gateway/api/rpc.h"

namespace tiffin::gateway {

// Metadata beyond about 8 KiB makes an RPC fail, and gRPC sends a message as three characters for
// each byte that is not ASCII.
inline constexpr size_t kMaxStatusMessage = 1024;

// The same code, the message at most 1 KiB of valid UTF-8.
absl::Status Bounded(const absl::Status& status);

// Finishes without a message, with Bounded(status): how every RPC of a client is to fail.
void FinishWith(Rpc& rpc, const absl::Status& status);

// The same code, `context` in front of the message.
absl::Status Annotate(const absl::Status& status, std::string_view context);

}  // namespace tiffin::gateway
