#pragma once

#include <string>
#include <vector>

#include "common/keys/rows.h"
#include "common/keys/worker_reference.h"
#include "nlohmann/json.hpp"

// The configuration reference, in its two forms. What it says comes from the tables and the flags
// that read what people write.
namespace tiffin::gateway {

// What a command of this program takes.
struct CommandReference {
  std::string name;  // "tiffin models import"
  std::string description;
  std::vector<keys::Row> flags;
};

// Every key, option, flag and variable. `workers` are those beside this program.
std::string ReferenceMarkdown(const std::vector<CommandReference>& commands,
                              const std::vector<keys::WorkerReference>& workers);

// The JSON schema of service files, with the options of these backends.
nlohmann::ordered_json ServiceSchema(const std::vector<keys::WorkerReference>& workers);

}  // namespace tiffin::gateway
