#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "gateway/graph/runner.h"

namespace tiffin::gateway {

// How many calls of one step are under way at once at most, so that one request doesn't fill a
// queue; fewer where the runner takes fewer.
inline constexpr int64_t kRowCallsAtOnce = 32;
// A request that would take more calls for a step is refused.
inline constexpr int64_t kMaxRowCalls = 65536;

// The most rows that a call of the method may have.
int64_t RowsPerCall(const MethodSignature& signature);

// Runs a method on more rows than one call of it may have: as few calls as do, each with as many
// rows as the others, or one less. Their inputs are parts of those of `call`; an input with one row
// only is given to each of them. Their outputs are put together in order. The first error ends it,
// cancels the others, and names the rows. Otherwise like Runner::Start; an error that shows at once
// (no such rows) is returned. `runner` outlives the result.
absl::StatusOr<std::unique_ptr<PendingCall>> StartRowCalls(Runner& runner, Call call,
                                                           CallDone done);

}  // namespace tiffin::gateway
