#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "common/async/rpc_limits.h"
#include "common/log/log.h"
#include "gateway/api/http/limits.h"
#include "gateway/dispatch/worker_credentials.h"
#include "gateway/server/options.h"

namespace tiffin::gateway {

struct ServerOptions {
  // Its socket_directory, client_memory, tls, tokens and worker_credentials are filled in.
  ServingOptions serving;
  std::filesystem::path runtime_base;
  int loops = 1;
  bool client_shared_memory = false;
  RpcLimits rpc_limits;
  http::Limits http_limits;
  security::TlsFiles tls;        // Without a certificate, the ports are not encrypted.
  std::filesystem::path tokens;  // Empty: clients need none.
  // Shown to workers on TCP.
  WorkerCredentials::Files workers;
};

// Serves until SIGTERM or SIGINT: then readiness goes false, what is under way completes (for half
// a minute at most), and everything is stopped; a second signal stops at once. SIGUSR1 makes
// `log`, and those of the workers, tell more; SIGUSR2 as much as before. Returns why it could
// not start, or OK. Blocks the calling thread, which must be the process's only one.
absl::Status RunServer(ServerOptions options, log::Log& log);

}  // namespace tiffin::gateway
