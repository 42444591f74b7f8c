#pragma once

#include <span>
#include <string>

#include "gateway/graph/value.h"

namespace tiffin::gateway {

// A value of type text (or json, or bytes) with these rows.
Value TextRows(std::span<const std::string> rows);

}  // namespace tiffin::gateway
