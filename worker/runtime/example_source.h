#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/signature.h"
#include "nlohmann/json.hpp"

namespace tiffin::worker {

// One row for each input of a method, and where it is from.
struct MethodExample {
  nlohmann::json row = nlohmann::json::object();  // Input name -> nested lists, or any bytes.
  std::string source;                             // For people.
};

// Examples that were given by hand: input name -> a text, JSON for a tensor, or @FILE with it.
using GivenExamples = std::map<std::string, std::string, std::less<>>;
// From "INPUT=VALUE" texts.
absl::StatusOr<GivenExamples> ParseGivenExamples(const std::vector<std::string>& texts);

// What is given, else what the model keeps (`kept`: method -> input -> row), else a picture of one
// line of text for an image, and zeros for a tensor. INVALID_ARGUMENT, with the fix, for an input
// that has none of these.
absl::StatusOr<MethodExample> FindExample(std::string_view name, const MethodSignature& method,
                                          const nlohmann::json& kept, const GivenExamples& given);

}  // namespace tiffin::worker
