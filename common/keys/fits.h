#pragma once

#include "common/keys/key.h"
#include "nlohmann/json.hpp"

namespace tiffin::keys {

// True if `value` may stand at a key of this form, which is not one of mappings with keys of their
// own, or lists of them.
bool Fits(const nlohmann::json& value, const Form& form);

}  // namespace tiffin::keys
