#pragma once

#include <string>

namespace tiffin::gateway {

// Where a worker listens.
struct WorkerAddress {
  std::string target;       // As gRPC takes it: "unix:/run/a.sock", "ipv4:10.0.0.1:9000".
  std::string server_name;  // In its certificate, where there is TLS; empty: the target's host.
  // Its process is one that this gateway started: in the same cgroup.
  bool is_own = false;

  // Else tensors travel in frames.
  bool shares_memory() const { return target.starts_with("unix:"); }

  friend bool operator==(const WorkerAddress&, const WorkerAddress&) = default;
};

}  // namespace tiffin::gateway
