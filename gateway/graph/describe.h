#pragma once

#include <string>

#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// The plan of a service for people: for each API its types, and its steps in waves. The steps of
// one wave need none of each other and start together, at the latest when the wave before has
// ended. Ends with a line feed.
std::string DescribePlan(const PlannedService& service);

}  // namespace tiffin::gateway
