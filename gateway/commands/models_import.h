#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/model/store.h"

namespace tiffin::gateway {

// What `tiffin models import` is told, as it stands on the command line.
struct ImportOptions {
  std::string name;
  std::vector<std::filesystem::path> files;
  std::string backend;               // Empty: by the ending of a file.
  std::vector<std::string> inputs;   // "name:type", as in "features:fp32[64]".
  std::vector<std::string> outputs;  // The same.
  bool not_batchable = false;
  std::vector<std::string> labels;
  std::vector<std::string> metadata;  // "key=value", the value in JSON, else text.
  std::vector<std::string> options;   // The same.
  std::string example;                // JSON, "@FILE" with JSON, or empty for zeros.
  std::filesystem::path store;
  std::vector<std::string> worker_dirs;  // Given by --worker-dir.
};

// Copies the files into the store, has the backend's worker load the model, complete its signature
// and run the example, and publishes the result as the next version. Leaves nothing on failure.
absl::StatusOr<model::Model> ImportModel(const ImportOptions& options);

}  // namespace tiffin::gateway
