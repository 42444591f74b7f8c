#pragma once

// What the author of a backend compiles against, installed as tiffin/backend.h: a class that
// derives from tiffin::worker::Backend, and a main() that calls tiffin::worker::WorkerMain, linked
// with tiffin::worker, are a worker program tiffin-worker-NAME.
#include "common/keys/key.h"         // IWYU pragma: export
#include "common/keys/options.h"     // IWYU pragma: export
#include "common/signature.h"        // IWYU pragma: export
#include "common/tensor.h"           // IWYU pragma: export
#include "worker/runtime/backend.h"  // IWYU pragma: export
