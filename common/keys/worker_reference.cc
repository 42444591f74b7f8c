#include "common/keys/worker_reference.h"

#include "common/strings.h"

namespace tiffin::keys {

using Json = nlohmann::ordered_json;

std::string ToJson(const WorkerReference& reference) {
  return Json{{"backend", reference.backend},
              {"flags", reference.flags},
              {"options", reference.options},
              {"schema", reference.schema}}
      .dump();
}

absl::StatusOr<WorkerReference> WorkerReferenceFromJson(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    return WorkerReference{.backend = json.at("backend"),
                           .flags = json.at("flags"),
                           .options = json.at("options"),
                           .schema = json.at("schema")};
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(StrCat("the worker's reference is broken: ", error.what()));
  }
}

}  // namespace tiffin::keys
