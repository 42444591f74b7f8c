#pragma once

#include "gateway/api/kserve/model_table.h"
#include "inference/model_config.pb.h"

namespace tiffin::gateway::kserve {

// An API is an ensemble of the runners that its steps call. `models` has both.
inference::ModelConfig ConfigOf(const Model& model, const ModelTable& models);

}  // namespace tiffin::gateway::kserve
