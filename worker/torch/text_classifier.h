#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// A classifier of text, as worker/torch/backend.h tells. Runs the module on trial, so that a
// tokenizer, a length or labels that are not the model's are found now.
absl::StatusOr<std::unique_ptr<Backend>> CreateTextClassifier(const BackendConfig& config,
                                                              const std::filesystem::path& file);

}  // namespace tiffin::worker
