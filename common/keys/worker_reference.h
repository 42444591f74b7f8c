#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/keys/rows.h"
#include "nlohmann/json.hpp"

namespace tiffin::keys {

// What a worker's program says of its command line and of its backend's options (--reference).
struct WorkerReference {
  std::string backend;
  std::vector<Row> flags;
  std::vector<Row> options;
  nlohmann::ordered_json schema;  // Of the options.
};

std::string ToJson(const WorkerReference& reference);
absl::StatusOr<WorkerReference> WorkerReferenceFromJson(std::string_view text);

}  // namespace tiffin::keys
