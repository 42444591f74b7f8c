#include "gateway/resources/tuning.h"

#include <system_error>
#include <utility>
#include <variant>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "common/model/digest.h"
#include "common/model/file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/resources/text.h"

namespace tiffin::gateway {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kFolder = ".tuning";  // A hidden name, so never a model's.
constexpr size_t kMostFileBytes = size_t{1} << 20;
constexpr size_t kMostNameBytes = 200;

// Which step calls what, and on which values: what a prediction depends on.
Json StepsJson(const config::ApiConfig& api) {
  Json steps = Json::object();
  for (const config::StepConfig& step : api.steps) {
    Json values = Json::array();
    for (const config::Argument& argument : step.call.arguments) {
      if (const auto* value = std::get_if<config::Reference>(&argument.value)) {
        values.push_back(value->name);
      }
    }
    steps[step.name] = {{"calls", StrCat(step.call.callee, ".", step.call.method)},
                        {"on", std::move(values)}};
  }
  return steps;
}

Json BatchingJson(const config::BatchingConfig& batching) {
  if (batching.policy == config::BatchingPolicy::kOff) return "off";
  const bool fixed = batching.policy == config::BatchingPolicy::kFixed;
  return {{"policy", fixed ? "fixed" : "adaptive"},
          {"max_batch_size", batching.max_batch_size},
          {"max_delay_us", absl::ToInt64Microseconds(batching.max_delay)}};
}

Json RunnerJson(const TuningRunner& runner) {
  const config::RunnerConfig& config = *runner.config;
  Json json = {{"backend", runner.backend},
               {"model", runner.model},
               {"options", config.options},
               {"device", config.device.value_or(config::kCpuDevice)}};
  if (config.python.has_value()) {
    const config::PythonConfig& python = *config.python;
    json["python"] = {python.file, python.class_name, python.environment};
  }
  if (config.replicas.has_value()) json["replicas"] = *config.replicas;
  if (config.resources.cpu.has_value()) json["resources.cpu"] = *config.resources.cpu;
  if (config.resources.threads.has_value()) json["resources.threads"] = *config.resources.threads;
  if (config.batching.has_value()) json["batching"] = BatchingJson(*config.batching);
  return json;
}

// Where the first difference is, for people: "services.digits.runners.model_a.model".
std::string FirstDifference(const Json& was, const Json& is) {
  const Json changes = Json::diff(was, is);
  if (changes.empty()) return "nothing";
  const auto path = changes[0]["path"].get<std::string>();
  return absl::StrReplaceAll(ToAbsl(std::string_view(path).substr(path.empty() ? 0 : 1)),
                             {{"/", "."}});
}

// A runner of the subject that the tuning says nothing of; empty if there is none.
std::string MissingRunner(const Json& subject, const WorkerCounts& workers) {
  for (const auto& [service, of_service] : subject["services"].items()) {
    for (const auto& [runner, of_runner] : of_service["runners"].items()) {
      std::string name = StrCat(service, ".", runner);
      if (!workers.contains(name)) return name;
    }
  }
  return "";
}

absl::StatusOr<Tuning> Parse(const std::string& text) {
  const Json json = Json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  const bool whole = json.is_object() && json.contains("subject") && json.contains("created") &&
                     json["created"].is_string() && json.contains("workers") &&
                     json["workers"].is_object();
  if (!whole) return absl::FailedPreconditionError("it is broken");
  Tuning tuning{.subject = json["subject"], .created = json["created"], .workers = {}};
  for (const auto& [name, counts] : json["workers"].items()) {
    const bool is_pair = counts.is_array() && counts.size() == 2 &&
                         counts[0].is_number_unsigned() && counts[1].is_number_unsigned() &&
                         counts[0] >= 1 && counts[1] >= 1 && counts[0] <= config::kMaxReplicas &&
                         counts[1] <= config::kMaxThreads;
    if (!is_pair) return absl::FailedPreconditionError("it is broken");
    tuning.workers[name] = {counts[0].get<int>(), counts[1].get<int>()};
  }
  return tuning;
}

}  // namespace

Json TuningSubject(const CoreBudget& budget, std::span<const config::ServiceConfig* const> services,
                   std::span<const TuningRunner> runners) {
  Json subject = {{"cores", budget.cores}, {"services", Json::object()}};
  for (const config::ServiceConfig* service : services) {
    Json& json = subject["services"][service->name];
    json["runners"] = Json::object();
    json["apis"] = Json::object();
    for (const config::ApiConfig& api : service->apis) json["apis"][api.name] = StepsJson(api);
  }
  for (const TuningRunner& runner : runners) {
    subject["services"][runner.service]["runners"][runner.config->name] = RunnerJson(runner);
  }
  return subject;
}

fs::path TuningPath(const fs::path& store, const Json& subject) {
  std::vector<std::string> names;
  for (const auto& [name, service] : subject["services"].items()) names.push_back(name);
  std::string name = absl::StrJoin(names, "+");
  if (name.size() > kMostNameBytes) name = model::Sha256Hex(name);
  return store / kFolder / StrCat(name, "@", NumberText(subject["cores"]), ".json");
}

absl::Status SaveTuning(const fs::path& store, const Tuning& tuning) {
  const fs::path path = TuningPath(store, tuning.subject);
  std::error_code code;
  fs::create_directories(path.parent_path(), code);
  if (code) return absl::InternalError(StrCat(path.parent_path().string(), ": ", code.message()));
  Json json = {
      {"subject", tuning.subject}, {"created", tuning.created}, {"workers", Json::object()}};
  for (const auto& [name, count] : tuning.workers) {
    json["workers"][name] = {count.replicas, count.threads};
  }
  // Renamed, so that a server that starts meanwhile reads a whole file.
  const fs::path staged = path.native() + ".new";
  RETURN_IF_ERROR(model::WriteFileDurably(staged, json.dump(/*indent=*/2) + "\n"));
  fs::rename(staged, path, code);
  if (code) return absl::InternalError(StrCat(path.string(), ": ", code.message()));
  return absl::OkStatus();
}

absl::StatusOr<Tuning> LoadTuning(const fs::path& store, const Json& subject) {
  const fs::path path = TuningPath(store, subject);
  std::error_code code;
  if (!fs::exists(path, code)) return absl::NotFoundError(StrCat("no tuning ", path.string()));
  const auto text = model::ReadFile(path, kMostFileBytes);
  absl::StatusOr<Tuning> tuning = text.ok() ? Parse(*text) : text.status();
  if (!tuning.ok()) {
    return absl::FailedPreconditionError(
        StrCat("the tuning ", path.string(), " can't be read: ", Message(tuning.status())));
  }
  if (tuning->subject != subject) {
    return absl::FailedPreconditionError(StrCat(
        "the tuning ", path.string(),
        " is stale: since then this has changed: ", FirstDifference(tuning->subject, subject)));
  }
  if (const std::string missing = MissingRunner(subject, tuning->workers); !missing.empty()) {
    return absl::FailedPreconditionError(
        StrCat("the tuning ", path.string(), " says nothing of runner '", missing, "'"));
  }
  return tuning;
}

}  // namespace tiffin::gateway
