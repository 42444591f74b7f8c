#pragma once

#include <cstdint>

namespace tiffin {
class Loop;
class Watcher;
}  // namespace tiffin

namespace tiffin::gateway {

class GatewayMemory;
class OomKills;
class SegmentNames;
class WorkerCredentials;

// What frames that name calls and segments travel on: the session's Unix socket (the express lane),
// or its gRPC stream, which carries the others in any case.
enum class WorkerTransport { kExpress, kGrpc };

// What all sessions of a loop share. All outlive the sessions.
struct DispatchParts {
  Loop& loop;
  Watcher& watcher;
  SegmentNames& names;
  GatewayMemory& memory;
  OomKills& oom_kills;
  uint64_t gateway = 0;  // Random for each process: by it workers tell gateways apart.
  WorkerTransport transport = WorkerTransport::kExpress;
  // For workers on TCP. Null: nothing is shown to them.
  const WorkerCredentials* credentials = nullptr;
  // The one loop that says what becomes of endpoints.
  bool tells_of_endpoints = true;
};

}  // namespace tiffin::gateway
