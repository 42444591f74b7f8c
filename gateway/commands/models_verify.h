#pragma once

#include <string>
#include <vector>

#include "common/model/store.h"

namespace tiffin::gateway {

// `tiffin models verify`: reads these models whole, or all of the store if none is named, and says
// of each whether it is as it was imported. Goes on after one that is not. Returns the exit code.
int VerifyModels(const model::Store& store, const std::vector<std::string>& references);

}  // namespace tiffin::gateway
