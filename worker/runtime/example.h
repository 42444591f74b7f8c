#pragma once

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// Runs every method of the backend once, on the row that `example` keeps for it (method ->input
// name -> nested lists or text) or on zeros (without an example, one that takes BYTES is left out),
// and checks that the outputs are what the signature says.
absl::Status RunExample(Backend& backend, const nlohmann::json& example);

}  // namespace tiffin::worker
