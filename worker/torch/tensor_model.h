#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// Tensors in, tensors out: the module's `forward` as worker/torch/backend.h tells.
absl::StatusOr<std::unique_ptr<Backend>> CreateTensorModel(const BackendConfig& config,
                                                           const std::filesystem::path& file);

}  // namespace tiffin::worker
