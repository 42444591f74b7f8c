#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/model/store.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {

// "run(features: fp32[64]) -> (scores: fp32[10])"
std::string MethodText(std::string_view name, const MethodSignature& method);
// One line a model, with a head line.
std::string ModelTable(const std::vector<model::Model>& models);
// Everything about one model, for people.
std::string ModelText(const model::Model& model);
// The same for programs.
nlohmann::json ModelJson(const model::Model& model);

}  // namespace tiffin::gateway
