#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "gateway/graph/execution.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// The steps that a request's time is explained by, from the first to the last: back from the output
// that came last, each the one whose end the next had waited for. As indices into `timeline`, which
// is that of a request that ended well.
std::vector<size_t> CriticalPath(const PlannedApi& plan, std::span<const StepTiming> timeline);

}  // namespace tiffin::gateway
