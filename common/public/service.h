#pragma once

// What the author of an API in C++ compiles against, installed as tiffin/service.h: a class that
// derives from tiffin::gateway::Program, whose Run is a coroutine that calls runners. It is brought
// by a plugin (see function.h, linked with tiffin::plugin), or by a program of one's own, which
// calls tiffin::gateway::GatewayMain and is linked with tiffin::gateway.
#include "common/public/function.h"         // IWYU pragma: export
#include "gateway/commands/gateway_main.h"  // IWYU pragma: export
#include "gateway/graph/program.h"          // IWYU pragma: export
#include "gateway/graph/task.h"             // IWYU pragma: export
