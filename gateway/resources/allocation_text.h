#pragma once

#include <string>
#include <vector>

#include "gateway/resources/allocation.h"

namespace tiffin::gateway {

// What was chosen, and why, for people: a line about the budget, and a table of the runners; or one
// line, where there are none.
std::vector<std::string> AllocationText(const Allocation& allocation);

}  // namespace tiffin::gateway
