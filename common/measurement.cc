#include "common/measurement.h"

#include <utility>

#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin {
namespace {

using Json = nlohmann::json;

absl::Status Broken(std::string_view why) {
  return absl::InvalidArgumentError(StrCat("a worker's measurements: ", why));
}

// The member, if it is a number above 0.
const Json* Positive(const Json& json, const char* name) {
  const auto found = json.find(name);
  const bool positive = found != json.end() && found->is_number() && *found > 0;
  return positive ? &*found : nullptr;
}

}  // namespace

void to_json(Json& json, const WorkerMeasurements& measurements) {
  json = {{"concurrency", measurements.concurrency},
          {"input", measurements.input},
          {"measurements", Json::array()}};
  for (const Measurement& one : measurements.measurements) {
    json["measurements"].push_back({{"method", one.method},
                                    {"rows", one.rows},
                                    {"seconds", one.seconds},
                                    {"cpu_seconds", one.cpu_seconds}});
  }
}

absl::StatusOr<WorkerMeasurements> WorkerMeasurementsFromJson(std::string_view text) {
  const Json json = Json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Broken("must be a JSON object");
  WorkerMeasurements made;
  const Json* concurrency = Positive(json, "concurrency");
  const auto input = json.find("input");
  const auto list = json.find("measurements");
  if (concurrency == nullptr || input == json.end() || !input->is_string() || list == json.end() ||
      !list->is_array()) {
    return Broken("must have concurrency, input and measurements");
  }
  made.concurrency = concurrency->get<int>();
  made.input = input->get<std::string>();
  for (const Json& one : *list) {
    const auto method = one.is_object() ? one.find("method") : one.end();
    const Json* rows = one.is_object() ? Positive(one, "rows") : nullptr;
    const Json* seconds = one.is_object() ? Positive(one, "seconds") : nullptr;
    const Json* cpu = one.is_object() ? Positive(one, "cpu_seconds") : nullptr;
    if (rows == nullptr || seconds == nullptr || cpu == nullptr || method == one.end() ||
        !method->is_string()) {
      return Broken("each must have a method, and rows, seconds and cpu_seconds above 0");
    }
    made.measurements.push_back({.method = method->get<std::string>(),
                                 .rows = rows->get<int64_t>(),
                                 .seconds = seconds->get<double>(),
                                 .cpu_seconds = cpu->get<double>()});
  }
  return made;
}

}  // namespace tiffin
