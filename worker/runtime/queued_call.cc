#include "worker/runtime/queued_call.h"

#include "common/log/log.h"
#include "common/log/request_fields.h"
#include "common/strings.h"

namespace tiffin::worker {

CallOrigin OriginOf(const v1::Execute& execute) {
  return {.request_id = execute.request_id(),
          .trace = {.trace_high = execute.trace().trace_high(),
                    .trace_low = execute.trace().trace_low(),
                    .span = execute.trace().span(),
                    .flags = static_cast<uint8_t>(execute.trace().flags())}};
}

void EndCall(QueuedCall& call, const absl::Status& status) {
  LogFailure(call.origin, call.method, status);
  call.peer->RemoveCall(call.id);
  call.peer->SendError(call.id, status);
}

void LogFailure(const CallOrigin& origin, std::string_view method, const absl::Status& status) {
  // Cancelling is no failure: it happens with each error in another branch of a graph.
  const log::Level level = absl::IsCancelled(status) ? log::Level::kDebug : log::Level::kWarning;
  if (!log::Enabled(level)) return;
  log::Fields fields = log::RequestFields(origin.request_id, origin.trace);
  fields.Add({"method", method});
  fields.Add({"code", absl::StatusCodeToString(status.code())});
  fields.Add({"error", Message(status)});
  log::Record(level, "call_failed", fields);
}

}  // namespace tiffin::worker
