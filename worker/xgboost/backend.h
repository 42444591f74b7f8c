#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// XGBoost models (one *.json or *.ubj file, as Booster.save_model writes it), on the CPU.
//
// `run(features) -> scores`: fp32[number of features] in, fp32 out: [number of classes] for
// multi:softprob, [1] for a regression, a binary or a multi:softmax model; NaN is a missing value.
// Both are read from the model; a declared signature must agree, and gives the names. All trees are
// used, as by Booster.predict. Batchable. There are no options.
//
// INVALID_ARGUMENT for a file that is not a whole model, FAILED_PRECONDITION for an XGBoost library
// before version 3: such a library loads newer models and predicts wrongly from them.
absl::StatusOr<std::unique_ptr<Backend>> CreateXgboostBackend(const BackendConfig& config);

}  // namespace tiffin::worker
