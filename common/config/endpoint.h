#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tiffin::config {

// Where workers of a runner listen that the gateway did not start.
struct Endpoint {
  enum class Kind {
    kUnix,     // A path on this machine: tensors are shared.
    kAddress,  // An IP address and a port.
    kName,     // All addresses of a name, and a port.
  };

  Kind kind = Kind::kAddress;
  std::string host;    // The path, the IP address (without brackets), or the name.
  int port = 0;        // 0 for a path.
  std::string server;  // Of a name: the name server to ask, HOST or HOST:PORT; empty: the system's.

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "unix:PATH", "HOST:PORT", "ipv4:HOST:PORT", "ipv6:[HOST]:PORT", "dns:///HOST:PORT" or
// "dns://SERVER/HOST:PORT". INVALID_ARGUMENT names the fix.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

// As gRPC takes it: "unix:/run/a.sock", "ipv4:10.0.0.1:9000", "ipv6:[::1]:9000",
// "dns:///model-a:9000".
std::string ToString(const Endpoint& endpoint);

}  // namespace tiffin::config
