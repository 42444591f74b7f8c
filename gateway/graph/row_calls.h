#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "gateway/graph/runner.h"

namespace tiffin::gateway {

// How many rows of one step are under way at once, so that one request doesn't fill a queue.
inline constexpr int64_t kRowsAtOnce = 32;
// More rows than this are refused where the method takes them one by one.
inline constexpr int64_t kMaxRowCalls = 65536;

// Runs a method that takes one row at a time on all rows of `call`: as that many calls, whose
// outputs are put together in order. An input with one row only is given to each of them. The first
// error ends it, cancels the others, and names the row. Otherwise like Runner::Start; an error that
// shows at once (no such rows) is returned. `runner` outlives the result.
absl::StatusOr<std::unique_ptr<PendingCall>> StartRowCalls(Runner& runner, Call call,
                                                           CallDone done);

}  // namespace tiffin::gateway
