#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tiffin::model {

// The YAML document in `text` as JSON. Quoted scalars are strings; plain ones are null, booleans
// and numbers where they look so (YAML's core rules), else strings. Duplicate keys, tags, bytes
// that are not UTF-8, control characters and documents that grow without measure by aliases are
// errors:
// `<name>:line:column: what, and the fix`.
absl::StatusOr<nlohmann::json> YamlToJson(std::string_view name, std::string_view text);

// `value` on one line of flow style, which YAML and JSON readers both take.
std::string JsonToYamlFlow(const nlohmann::json& value);

}  // namespace tiffin::model
