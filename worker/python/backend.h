#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// `python: FILE.py:CLASS`: a runner that is a class of the user's, run by CPython in this process.
// The class, and what of it is called, is described in common/python/tiffin/runner.py.
// INVALID_ARGUMENT if the environment, the file or the class is not what it must be: with the place
// and the fix.
absl::StatusOr<std::unique_ptr<Backend>> CreatePythonBackend(const BackendConfig& config);

}  // namespace tiffin::worker
