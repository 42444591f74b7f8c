#pragma once

#include <string_view>

#include "nlohmann/json_fwd.hpp"

namespace tiffin::gateway {

// What a command answers, on stdout.
void Print(std::string_view text);
// Over several lines.
void PrintJson(const nlohmann::json& json);

}  // namespace tiffin::gateway
