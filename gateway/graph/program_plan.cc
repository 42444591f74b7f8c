#include "gateway/graph/program_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "common/config/input_type.h"
#include "common/config/name_hint.h"
#include "common/strings.h"
#include "gateway/graph/names.h"

namespace tiffin::gateway {
namespace {

// What can't be planned is still given a handle; its plan is not used.
constexpr size_t kNoStep = 0;

std::vector<std::string> KeysOf(const auto& map) {
  std::vector<std::string> keys;
  keys.reserve(map.size());
  for (const auto& entry : map) keys.push_back(entry.first);
  return keys;
}

// Plans one API, once. Borrows everything for its own, short life.
class ProgramPlanner final : private ProgramSetup {
 public:
  struct Surroundings {
    const config::ServiceConfig& service;
    const RunnerSignatures& signatures;
    config::Diagnostics& diagnostics;
  };

  ProgramPlanner(const Surroundings& surroundings, const ProgramApi& api)
      : around_(surroundings), api_(api) {}

  PlannedApi Plan() {
    const ApiDefinition& definition = api_.definition;
    plan_.service = definition.service;
    plan_.name = definition.name;
    plan_.timeout = definition.timeout;
    if (std::string error = config::NameError("api", definition.name); !error.empty()) {
      Report(error);
    }
    if (definition.timeout <= absl::ZeroDuration()) Report("its timeout must be above 0");
    PlanInputs();
    for (const TensorSpec& output : Specs("output", definition.outputs)) {
      plan_.outputs.push_back({.spec = output, .source = {}});
    }
    if (plan_.outputs.empty()) Report("it has no output");
    if (definition.make == nullptr) {
      Report("it has no code: set `make`");
      return std::move(plan_);
    }
    auto program = definition.make(*this);
    if (program.ok()) {
      plan_.program = *std::move(program);
    } else {
      Report(std::string(Message(program.status())));
    }
    return std::move(plan_);
  }

 private:
  RunnerHandle Runner(std::string_view name) override {
    const auto known = std::find_if(plan_.steps.begin(), plan_.steps.end(),
                                    [&](const PlannedStep& step) { return step.callee == name; });
    if (known != plan_.steps.end()) {
      return RunnerHandle(static_cast<size_t>(known - plan_.steps.begin()));
    }
    const MethodSignature* signature = Find(name, Missing::kReported);
    if (signature == nullptr) return RunnerHandle(kNoStep);
    const auto [runner, method] = Parts(name);
    PlannedStep& step = plan_.steps.emplace_back();
    step.name = std::string(name);
    step.callee = step.name;
    step.expression = StrCat(name, "(...)");
    step.action = PlannedCall{.runner = std::string(runner),
                              .method = std::string(method),
                              .signature = *signature,
                              .retries = signature->retry_safe ? 1 : 0};
    step.outputs = signature->outputs;
    return RunnerHandle(plan_.steps.size() - 1);
  }

  const MethodSignature* Signature(std::string_view name) override {
    return Find(name, Missing::kAllowed);
  }

  static std::pair<std::string_view, std::string_view> Parts(std::string_view name) {
    const size_t dot = name.find('.');
    if (dot == name.npos) return {name, kDefaultMethod};
    return {name.substr(0, dot), name.substr(dot + 1)};
  }

  enum class Missing { kReported, kAllowed };
  const MethodSignature* Find(std::string_view name, Missing missing) {
    const auto [runner, method] = Parts(name);
    const auto signature = around_.signatures.find(runner);
    if (signature == around_.signatures.end()) {
      // One that the file has is reported already.
      if (missing == Missing::kReported && around_.service.FindRunner(runner) == nullptr) {
        std::vector<std::string> runners;
        for (const config::RunnerConfig& other : around_.service.runners) {
          runners.push_back(other.name);
        }
        Report(StrCat("it calls the runner '", runner, "', which '", around_.service.name,
                      "' has not", NameHint(runner, runners, "runners")));
      }
      return nullptr;
    }
    const auto found = signature->second.find(std::string(method));
    if (found != signature->second.end()) return &found->second;
    if (missing == Missing::kReported) {
      Report(StrCat("runner '", runner, "' has no method '", method, "'",
                    NameHint(method, KeysOf(signature->second), "methods")));
    }
    return nullptr;
  }

  void PlanInputs() {
    size_t with_rows = 0;
    for (const ApiDefinition::Parameter& parameter : api_.definition.inputs) {
      CheckName("input", parameter.name);
      auto input = config::ParseInputType(parameter.type);
      if (!input.ok()) {
        Report(StrCat("input '", parameter.name, "': ", Message(input.status())));
        continue;
      }
      with_rows += input->has_rows ? 1 : 0;
      plan_.inputs.push_back({parameter.name, std::move(input->type)});
    }
    if (with_rows > 0 && with_rows < plan_.inputs.size()) {
      Report("declare `rows` as the first dimension of all inputs, or of none");
    }
    plan_.has_rows = with_rows > 0;
    if (api_.definition.inputs.empty()) Report("it has no input");
  }

  std::vector<TensorSpec> Specs(std::string_view what,
                                const std::vector<ApiDefinition::Parameter>& parameters) {
    std::vector<TensorSpec> specs;
    names_.clear();
    for (const ApiDefinition::Parameter& parameter : parameters) {
      CheckName(what, parameter.name);
      auto type = ParseValueType(parameter.type);
      if (!type.ok()) {
        Report(StrCat(what, " '", parameter.name, "': ", Message(type.status())));
        continue;
      }
      specs.push_back({parameter.name, *std::move(type)});
    }
    return specs;
  }

  void CheckName(std::string_view what, const std::string& name) {
    std::string error = config::NameError(std::string(what), name);
    if (!error.empty()) Report(std::move(error));
    if (!names_.insert(name).second) Report(StrCat("it has two ", what, "s '", name, "'"));
  }

  void Report(std::string message) {
    around_.diagnostics.Add(
        around_.service.name_location,
        StrCat("api '", api_.definition.name, "' of ", api_.origin, ": ", message));
  }

  const Surroundings around_;
  const ProgramApi& api_;
  PlannedApi plan_;
  std::set<std::string> names_;  // Of the inputs, then of the outputs.
};

void CheckClashes(const config::ServiceConfig& service, const ProgramApi& api,
                  std::map<std::string, std::string>& origins, config::Diagnostics& diagnostics) {
  const std::string& name = api.definition.name;
  const auto report = [&](const config::Location& at, std::string_view what,
                          std::string_view whose) {
    diagnostics.Add(at, StrCat(what, " has the name of an api of ", whose, "; rename one of them"));
  };
  const auto [other, is_first] = origins.emplace(name, api.origin);
  if (!is_first)
    report(service.name_location, StrCat("api '", name, "' of ", api.origin), other->second);
  for (const config::ApiConfig& graph : service.apis) {
    if (graph.name == name) report(graph.location, StrCat("api '", name, "'"), api.origin);
  }
  if (const config::RunnerConfig* runner = service.FindRunner(name)) {
    report(runner->location, StrCat("runner '", name, "'"), api.origin);
  }
}

}  // namespace

std::vector<PlannedApi> PlanPrograms(const config::ServiceConfig& service,
                                     const RunnerSignatures& signatures,
                                     std::span<const ProgramApi> apis,
                                     config::Diagnostics& diagnostics) {
  std::vector<PlannedApi> plans;
  std::map<std::string, std::string> origins;
  for (const ProgramApi& api : apis) {
    if (api.definition.service != service.name) continue;
    CheckClashes(service, api, origins, diagnostics);
    plans.push_back(ProgramPlanner({service, signatures, diagnostics}, api).Plan());
  }
  return plans;
}

absl::Status CheckServices(std::span<const ProgramApi> apis,
                           std::span<const std::string> services) {
  for (const ProgramApi& api : apis) {
    const std::string& service = api.definition.service;
    if (std::find(services.begin(), services.end(), service) != services.end()) continue;
    return absl::InvalidArgumentError(
        StrCat(api.origin, ": its api '", api.definition.name, "' is of the service '", service,
               "', which no file given has; give the file of that service too"));
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
