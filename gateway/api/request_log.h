#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/async/caller.h"
#include "common/log/log.h"
#include "common/trace_context.h"
#include "gateway/api/serving.h"

namespace tiffin::gateway {

// A request that has ended. Views.
struct LoggedRequest {
  std::string_view method;            // Of its RPC, as its client wrote it.
  std::optional<InferTarget> target;  // None: it was refused before that was known.
  int64_t rows = 0;
  std::string_view request_id;
  TraceContext trace;
  absl::Duration duration;  // Zero: not known.
  const Caller* caller = nullptr;
};

// The log's line for each request, without anything of its contents. Failures that are the server's
// own are always told of; others where all are, or where debug is logged.
class RequestLog {
 public:
  explicit RequestLog(AccessLog access) : access_(access) {}

  // False for most of them, by default: then there is no need to put a LoggedRequest together.
  bool Wants(const absl::Status& status) const { return log::Enabled(LevelOf(status)); }
  void Ended(const LoggedRequest& request, const absl::Status& status) const;

 private:
  log::Level LevelOf(const absl::Status& status) const;

  const AccessLog access_;
};

}  // namespace tiffin::gateway
