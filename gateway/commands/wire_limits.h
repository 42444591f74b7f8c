#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/async/rpc_limits.h"
#include "gateway/api/http/limits.h"

namespace CLI {
class App;
}  // namespace CLI

namespace tiffin::gateway {

// The bounds of --max-message.
inline constexpr int64_t kLeastMessage = 64 << 10;
inline constexpr int64_t kMostMessage = int64_t{1} << 30;

// What an operator says of what clients may ask of the ports.
struct WireFlags {
  int64_t max_message = 0;
  int64_t in_flight_limit = 0;
  int grpc_connections = 0;
  int http_connections = 0;
  int max_streams = 0;
  std::string keepalive;
  std::string send_timeout;
};

struct WireLimits {
  RpcLimits rpc;
  http::Limits http;
};

// Adds the options, with the defaults of RpcLimits and http::Limits.
void AddWireFlags(CLI::App& app, WireFlags& flags);

// INVALID_ARGUMENT says what does not go together.
absl::StatusOr<WireLimits> LimitsOf(const WireFlags& flags);

// Lets this process have as many open files as its user may. Where those are too few for the
// connections, the defaults are cut to what there is; RESOURCE_EXHAUSTED for what was asked for.
absl::StatusOr<WireLimits> FitDescriptors(WireLimits limits);

}  // namespace tiffin::gateway
