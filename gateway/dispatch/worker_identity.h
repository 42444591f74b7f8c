#pragma once

#include <string>
#include <string_view>

#include "common/signature.h"

namespace tiffin::gateway {

// What is wrong with a worker elsewhere that stands where `runner`'s should, and the fix: "runs
// 'model_b' of service 'x'; start it with ...". Empty: it says that it is this runner, of whichever
// service, or doesn't say what it is.
std::string AnotherRunner(const WorkerDescription& worker, std::string_view runner);

}  // namespace tiffin::gateway
