#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace tiffin::worker {

// Where Python finds its packages.
struct PythonEnvironment {
  std::filesystem::path executable;  // What sys.executable is; sys.prefix follows from it.
};

// The virtual environment in `folder`, made by venv, virtualenv or uv; the system's own where it is
// empty. INVALID_ARGUMENT for what is none, and for one of another minor version of Python than the
// one that this program has.
absl::StatusOr<PythonEnvironment> FindEnvironment(const std::filesystem::path& folder);

// "3.11": the version of Python that this program has.
std::string OwnPythonVersion();

}  // namespace tiffin::worker
