#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/api/interface.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway::http {

// {"output": value, ...}, in the order of the target's outputs: text as strings, json as it is,
// images and bytes in base64, tensors as nested lists; with rows, lists of these.
absl::StatusOr<std::string> EncodeReply(const std::vector<Value>& outputs, const Interface& target);

}  // namespace tiffin::gateway::http
