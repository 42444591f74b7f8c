#pragma once

// What the author of a function compiles against, installed as tiffin/function.h: a shared library
// that defines tiffin_plugin(), linked with tiffin::plugin, and given to `tiffin serve --plugin`,
// brings functions that steps of graphs call. A function derives from
// tiffin::gateway::StepFunction; its code runs inside the gateway, on the threads that all requests
// share: it must not block, must not throw, and what it breaks is broken for all.
#include "common/signature.h"         // IWYU pragma: export
#include "common/tensor.h"            // IWYU pragma: export
#include "gateway/graph/function.h"   // IWYU pragma: export
#include "gateway/graph/plugin.h"     // IWYU pragma: export
#include "gateway/graph/rows.h"       // IWYU pragma: export
#include "gateway/graph/text_rows.h"  // IWYU pragma: export
#include "gateway/graph/value.h"      // IWYU pragma: export
