#pragma once

#include "absl/status/status.h"
#include "worker/runtime/options.h"

namespace tiffin::worker {

// Asks the worker at --probe ADDRESS for its health, with TLS where --tls-ca is given. Blocks, for
// a second at most. INVALID_ARGUMENT: the flags, or their files, are wrong.
absl::Status Probe(const WorkerOptions& options);

}  // namespace tiffin::worker
