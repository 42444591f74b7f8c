#include "gateway/commands/check_json.h"

#include <optional>
#include <string>

#include "common/strings.h"

namespace tiffin::gateway {
namespace {

using Json = nlohmann::json;

Json OrNull(std::string_view text) { return text.empty() ? Json() : Json(text); }
Json OrNull(int number) { return number == 0 ? Json() : Json(number); }

Json SpecJson(const TensorSpec& spec) {
  return {{"name", spec.name}, {"type", ToString(spec.type)}};
}

Json StepJson(const PlannedApi& api, const PlannedStep& step) {
  Json needs = Json::array();
  for (const size_t need : step.needs) needs.push_back(api.steps[need].name);
  Json outputs = Json::array();
  for (const TensorSpec& spec : step.outputs) outputs.push_back(SpecJson(spec));
  Json json = {
      {"name", step.name}, {"run", step.expression}, {"runner", nullptr},     {"method", nullptr},
      {"needs", needs},    {"outputs", outputs},     {"timeout_us", nullptr}, {"retries", 0}};
  if (const PlannedCall* call = step.call(); call != nullptr) {
    json["runner"] = call->runner;
    json["method"] = call->method;
    json["retries"] = call->retries;
  }
  if (step.timeout.has_value()) json["timeout_us"] = absl::ToInt64Microseconds(*step.timeout);
  return json;
}

Json ApiJson(const PlannedApi& api) {
  Json inputs = Json::array();
  for (const TensorSpec& spec : api.inputs) inputs.push_back(SpecJson(spec));
  Json outputs = Json::array();
  for (const PlannedOutput& output : api.outputs) outputs.push_back(SpecJson(output.spec));
  Json steps = Json::array();
  for (const PlannedStep& step : api.steps) steps.push_back(StepJson(api, step));
  return {{"name", api.name}, {"rows", api.has_rows},
          {"inputs", inputs}, {"outputs", outputs},
          {"steps", steps},   {"timeout_us", absl::ToInt64Microseconds(api.timeout)}};
}

Json ResourcesJson(const Allocation& allocation) {
  Json runners = Json::array();
  for (const RunnerShare& share : allocation.runners) {
    runners.push_back({{"name", share.name},
                       {"backend", share.backend},
                       {"replicas", share.workers.replicas},
                       {"threads", share.workers.threads},
                       {"cpu", share.cpu},
                       {"device", share.device},
                       {"why", share.why}});
  }
  return {{"cores", allocation.budget.cores},
          {"why", allocation.budget.why},
          {"note", OrNull(allocation.note)},
          {"runners", runners}};
}

}  // namespace

Json PlanJson(const WorkerPlan& plan, const std::vector<PlannedService>& services,
              const std::vector<std::string>& warnings) {
  Json list = Json::array();
  for (const PlannedService& service : services) {
    Json apis = Json::array();
    for (const PlannedApi& api : service.apis) apis.push_back(ApiJson(api));
    list.push_back({{"name", service.name}, {"apis", apis}});
  }
  return {{"ok", true},           {"errors", Json::array()},
          {"warnings", warnings}, {"note", nullptr},
          {"services", list},     {"resources", ResourcesJson(plan.allocation)}};
}

Json ErrorsJson(const absl::Status& errors, std::string_view note,
                const std::vector<std::string>& warnings) {
  Json list = Json::array();
  for (const auto& [file, location, message] : config::DiagnosticsIn(errors)) {
    list.push_back({{"file", file},
                    {"line", OrNull(location.line)},
                    {"column", OrNull(location.column)},
                    {"message", message}});
  }
  if (list.empty()) {
    list.push_back(
        {{"file", nullptr}, {"line", nullptr}, {"column", nullptr}, {"message", Message(errors)}});
  }
  return {{"ok", false},
          {"errors", list},
          {"warnings", warnings},
          {"note", OrNull(note)},
          {"services", Json::array()},
          {"resources", nullptr}};
}

}  // namespace tiffin::gateway
