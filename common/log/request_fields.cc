#include "common/log/request_fields.h"

namespace tiffin::log {

Fields RequestFields(std::string_view request_id, const TraceContext& trace) {
  Fields fields = {{"request_id", request_id}};
  if (!trace.valid()) return fields;  // Some tests have none.
  fields.Add({"trace_id", TraceIdText(trace)});
  fields.Add({"span_id", SpanIdText(trace.span)});
  return fields;
}

}  // namespace tiffin::log
