#include "gateway/api/request_log.h"

#include "common/log/request_fields.h"
#include "common/strings.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"

namespace tiffin::gateway {
namespace {

constexpr size_t kMaxMethod = 200;

// INTERNAL and the like are never a client's fault, nor that of too much load.
bool IsServersFault(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

void AddTarget(InferTarget target, log::Fields& fields) {
  if (const auto* const* api = std::get_if<const PlannedApi*>(&target)) {
    fields.Add({"service", (*api)->service});
    fields.Add({"api", (*api)->name});
    return;
  }
  const RunnerEntry& entry = *std::get<const RunnerEntry*>(target);
  fields.Add({"service", entry.service});
  fields.Add({"runner", entry.runner});
}

}  // namespace

log::Level RequestLog::LevelOf(const absl::Status& status) const {
  if (IsServersFault(status.code())) return log::Level::kError;
  return access_ == AccessLog::kOn ? log::Level::kInfo : log::Level::kDebug;
}

void RequestLog::Ended(const LoggedRequest& request, const absl::Status& status) const {
  log::Fields fields = log::RequestFields(request.request_id, request.trace);
  if (request.trace.parent != 0) {
    fields.Add({"parent_span_id", SpanIdText(request.trace.parent)});
  }
  if (request.caller != nullptr) fields.Add({"token", request.caller->name});
  if (request.target.has_value()) AddTarget(*request.target, fields);
  fields.Add({"method", BoundedUtf8(request.method, kMaxMethod)});
  if (request.rows > 0) fields.Add({"rows", request.rows});
  fields.Add({"code", absl::StatusCodeToString(status.code())});
  if (request.duration > absl::ZeroDuration()) {
    fields.Add({"duration_us", absl::ToInt64Microseconds(request.duration)});
  }
  // What is wrong with what a client sent may quote it.
  if (!status.ok() && !absl::IsInvalidArgument(status)) {
    fields.Add({"error", BoundedUtf8(Message(status), kMaxStatusMessage)});
  }
  log::Record(LevelOf(status), "request", fields);
}

}  // namespace tiffin::gateway
