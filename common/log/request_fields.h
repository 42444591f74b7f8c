#pragma once

#include <string_view>

#include "common/log/log.h"
#include "common/trace_context.h"

namespace tiffin::log {

// What every line about a request has: request_id, trace_id and span_id.
Fields RequestFields(std::string_view request_id, const TraceContext& trace);

}  // namespace tiffin::log
