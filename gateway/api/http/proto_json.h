#pragma once

#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {

// A message as KServe and Triton write it in JSON: fields by their names in the .proto file, all of
// them but messages and members of a oneof that are not set, and 64-bit integers as numbers
// (protobuf's own JSON has them as strings, which clients don't take).
nlohmann::ordered_json ToJson(const google::protobuf::Message& message);

}  // namespace tiffin::gateway::http
