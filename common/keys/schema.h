#pragma once

#include "common/keys/key.h"
#include "nlohmann/json.hpp"

namespace tiffin::keys {

// The JSON schema (draft 7, the one that editors know best) of what a mapping with these keys may
// be. It sees one value at a time: what has to fit to another, and the bounds of quantities with a
// unit, it can't tell.
nlohmann::ordered_json SchemaOf(const Section& section);

}  // namespace tiffin::keys
