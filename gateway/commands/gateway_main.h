#pragma once

#include "gateway/graph/plugin.h"

namespace tiffin::gateway {

// The whole of the program `tiffin`: its commands, and in them what `add` (may be null) adds. The
// result is the exit code.
int GatewayMain(int argc, const char* const* argv, AddExtensions add);

}  // namespace tiffin::gateway
