#pragma once

#include "gateway/graph/function.h"

namespace tiffin::gateway {

// The functions that every service file may call. A new one is a line in registry.cc.
FunctionTable BuiltinFunctions();

}  // namespace tiffin::gateway
