#pragma once

#include <string>

#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// The graph of an API in Graphviz' DOT language (https://graphviz.org/doc/info/lang.html), for
// people: inputs, steps and outputs as nodes from left to right, and an arrow for each value that
// goes from one to another, with its type. Functions of the gateway are drawn dashed.
std::string DrawInDot(const PlannedApi& api);

}  // namespace tiffin::gateway
