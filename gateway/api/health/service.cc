#include "gateway/api/health/service.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "common/strings.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "gateway/api/typed/proto_files.h"

namespace tiffin::gateway::health {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

HealthService::HealthService(Serving& serving) : serving_(serving) {
  serving_.OnReadinessChange([this] {
    for (auto watcher = watchers_.begin(); watcher != watchers_.end(); ++watcher) Update(watcher);
  });
}

HealthService::Status HealthService::StatusOf(std::string_view name) const {
  const auto status = [](bool ready) {
    return ready ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  };
  if (name.empty()) {
    return status(absl::c_all_of(serving_.services(),
                                 [&](const PlannedService& service) {
                                   return serving_.ServiceReady(service.name);
                                 }) &&
                  absl::c_all_of(serving_.absent(), [&](const AbsentService& service) {
                    return serving_.ServiceReady(service.name);
                  }));
  }
  for (const AbsentService& service : serving_.absent()) {
    if (name == service.name || name == typed::ServiceFullName(service.name)) {
      return status(serving_.ServiceReady(service.name));
    }
  }
  for (const PlannedService& service : serving_.services()) {
    if (name == service.name || name == typed::ServiceFullName(service.name)) {
      return status(serving_.ServiceReady(service.name));
    }
  }
  return HealthCheckResponse::SERVICE_UNKNOWN;
}

absl::StatusOr<HealthCheckResponse> HealthService::Check(const HealthCheckRequest& request) const {
  HealthCheckResponse response;
  response.set_status(StatusOf(request.service()));
  if (response.status() == HealthCheckResponse::SERVICE_UNKNOWN) {
    return absl::NotFoundError(StrCat("there is no service '", BoundedUtf8(request.service(), 200),
                                      "'; ask for a service by its name in the service file, or ",
                                      "for '', which is all of them"));
  }
  return response;
}

void HealthService::Watch(Rpc& rpc, const grpc::ByteBuffer& message) {
  HealthCheckRequest request;
  if (absl::Status parsed = ParseMessage(message, request); !parsed.ok()) {
    FinishWith(rpc, parsed);
    return;
  }
  const WatcherHandle watcher = watchers_.insert(
      watchers_.end(), Watcher{.rpc = rpc, .name = request.service(), .sent = std::nullopt});
  rpc.OnCancelled(
      [this, watcher] { End(watcher, absl::CancelledError("the client ended the watch")); });
  Update(watcher);
}

void HealthService::Update(WatcherHandle watcher) {
  if (watcher->writing) return;
  const Status status = StatusOf(watcher->name);
  if (watcher->sent == status) return;
  watcher->writing = true;
  watcher->sent = status;
  HealthCheckResponse response;
  response.set_status(status);
  watcher->rpc.Write(SerializeMessage(response), [this, watcher](bool ok) {
    watcher->writing = false;
    if (ok) {
      Update(watcher);
    } else {
      End(watcher, absl::CancelledError("the client is gone"));
    }
  });
}

void HealthService::End(WatcherHandle watcher, absl::Status status) {
  Rpc& rpc = watcher->rpc;
  watchers_.erase(watcher);
  // It drops the callbacks that still name the watcher.
  FinishWith(rpc, status);
}

bool HealthService::Start(Rpc& rpc) {
  if (rpc.method() == "/grpc.health.v1.Health/Check") {
    AnswerUnary<HealthCheckRequest>(rpc, [this](const auto& request) { return Check(request); });
    return true;
  }
  if (rpc.method() == "/grpc.health.v1.Health/Watch") {
    ReadRequest(rpc, [this, &rpc](const grpc::ByteBuffer& message) { Watch(rpc, message); });
    return true;
  }
  return false;
}

}  // namespace tiffin::gateway::health
