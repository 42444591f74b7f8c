#include "common/measurement.h"

#include <optional>
#include <utility>

#include "common/strings.h"
#include "nlohmann/json.hpp"

namespace tiffin {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostConcurrency = 1 << 16;
constexpr int64_t kMostRows = int64_t{1} << 32;

absl::Status Broken(std::string_view why) {
  return absl::InvalidArgumentError(StrCat("a worker's measurements: ", why));
}

// The member, if it is a number above 0.
const Json* Positive(const Json& json, const char* name) {
  const auto found = json.find(name);
  const bool positive = found != json.end() && found->is_number() && *found > 0;
  return positive ? &*found : nullptr;
}

// The member, if it is a whole number from 1 to `most`.
std::optional<int64_t> Count(const Json& json, const char* name, int64_t most) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto count = found->get<uint64_t>();
  if (count < 1 || count > static_cast<uint64_t>(most)) return std::nullopt;
  return static_cast<int64_t>(count);
}

// The member, if it is text.
const Json* Text(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? &*found : nullptr;
}

}  // namespace

void to_json(Json& json, const WorkerMeasurements& measurements) {
  json = {{"concurrency", measurements.concurrency}, {"measurements", Json::array()}};
  for (const Measurement& one : measurements.measurements) {
    json["measurements"].push_back({{"method", one.method},
                                    {"rows", one.rows},
                                    {"input", one.input},
                                    {"seconds", one.seconds},
                                    {"cpu_seconds", one.cpu_seconds},
                                    {"wait_seconds", one.wait_seconds}});
  }
}

absl::StatusOr<WorkerMeasurements> WorkerMeasurementsFromJson(std::string_view text) {
  const Json json = Json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Broken("must be a JSON object");
  WorkerMeasurements made;
  const std::optional<int64_t> concurrency = Count(json, "concurrency", kMostConcurrency);
  const auto list = json.find("measurements");
  if (!concurrency.has_value() || list == json.end() || !list->is_array()) {
    return Broken("must have concurrency and measurements");
  }
  made.concurrency = static_cast<int>(*concurrency);
  for (const Json& one : *list) {
    if (!one.is_object()) return Broken("each must be an object");
    const Json* method = Text(one, "method");
    const Json* input = Text(one, "input");
    const std::optional<int64_t> rows = Count(one, "rows", kMostRows);
    const Json* seconds = Positive(one, "seconds");
    const Json* cpu = Positive(one, "cpu_seconds");
    const auto wait = one.find("wait_seconds");
    if (method == nullptr || input == nullptr || !rows.has_value() || seconds == nullptr ||
        cpu == nullptr || wait == one.end() || !wait->is_number() || *wait < 0) {
      return Broken(
          "each must have a method, an input, rows, seconds and cpu_seconds above 0, and "
          "wait_seconds");
    }
    made.measurements.push_back({.method = method->get<std::string>(),
                                 .rows = *rows,
                                 .input = input->get<std::string>(),
                                 .seconds = seconds->get<double>(),
                                 .cpu_seconds = cpu->get<double>(),
                                 .wait_seconds = wait->get<double>()});
  }
  return made;
}

}  // namespace tiffin
