#pragma once

#include <c10/core/Device.h>

#include <string>

#include "absl/status/statusor.h"

namespace tiffin::worker {

// The device of this name: "cpu", or a GPU such as "cuda:0". INVALID_ARGUMENT, with what there is
// and the fix, where this LibTorch has none.
// Only sources of this folder may include this header.
absl::StatusOr<c10::Device> FindDevice(const std::string& name);

}  // namespace tiffin::worker
