#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/config/service.h"
#include "common/security/server_tls.h"
#include "common/security/tokens.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/api/serving.h"
#include "gateway/dispatch/dispatch_parts.h"
#include "gateway/dispatch/worker_credentials.h"
#include "gateway/graph/extensions.h"

namespace tiffin::gateway {

class DataLog;

// One runner of one service, and how its workers are started, or where they are.
struct RunnerSetup {
  std::string service;
  std::string runner;
  // Of endpoints: the most addresses at a time.
  int replicas = 1;
  int queue_max = config::kDefaultQueueMax;
  absl::Duration start_timeout = config::kDefaultStartTimeout;
  std::string program;
  std::vector<std::string> arguments;  // Without --listen and --lifeline-fd.
  // Where workers listen that somebody else starts: then there is no program.
  std::vector<config::Endpoint> endpoints = {};
  std::string written = {};  // As in config::RunnerConfig.

  bool elsewhere() const { return !endpoints.empty(); }
};

struct ServingOptions {
  std::vector<config::ServiceConfig> services;
  Extensions extensions;
  std::vector<RunnerSetup> runners;
  std::string grpc_address;
  std::string http_address;  // Empty: no HTTP.
  std::filesystem::path socket_directory;
  uint64_t segment_limit = uint64_t{1} << 30;
  WorkerTransport worker_transport = WorkerTransport::kExpress;
  AccessLog access_log = AccessLog::kOff;
  DataLog* data_log = nullptr;  // Outlives the server. Null where no API has a monitor.
  kserve::SharedMemory* client_memory = nullptr;  // Null: clients may not share theirs.
  // Both outlive the server.
  const security::ServerTls* tls = nullptr;  // Null: the ports are not encrypted.
  const security::Tokens* tokens = nullptr;  // Null: clients need none.
  // Likewise. For workers on TCP; null: nothing is shown to them.
  const WorkerCredentials* worker_credentials = nullptr;
};

}  // namespace tiffin::gateway
