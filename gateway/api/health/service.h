#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "gateway/api/rpc.h"
#include "gateway/api/serving.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::gateway::health {

// grpc.health.v1.Health: "" is every service; "<service>" and the full name of its typed service
// are that one. On the loop's thread; outlives its RPCs, and, subscribed to `serving` for good, the
// last turn of the loop.
class HealthService : public RpcService {
 public:
  explicit HealthService(Serving& serving);
  HealthService(const HealthService&) = delete;
  HealthService& operator=(const HealthService&) = delete;

  bool Start(Rpc& rpc) override;
  size_t watchers() const { return watchers_.size(); }

 private:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  struct Watcher {
    Rpc& rpc;
    std::string name;
    std::optional<Status> sent;  // Last written.
    bool writing = false;
  };
  using WatcherHandle = std::list<Watcher>::iterator;

  // SERVICE_UNKNOWN for a name that is none.
  Status StatusOf(std::string_view name) const;
  absl::StatusOr<grpc::health::v1::HealthCheckResponse> Check(
      const grpc::health::v1::HealthCheckRequest& request) const;
  void Watch(Rpc& rpc, const grpc::ByteBuffer& message);
  // Writes what changed, unless a write is under way, which will see to it when it is done.
  void Update(WatcherHandle watcher);
  void End(WatcherHandle watcher, absl::Status status);

  Serving& serving_;
  std::list<Watcher> watchers_;
};

}  // namespace tiffin::gateway::health
