#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/diagnostics.h"
#include "common/config/service.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// Plans one API of a service, once. Borrows everything for its own, short life.
class ApiPlanner {
 public:
  struct Surroundings {
    const config::ServiceConfig& service;
    const RunnerSignatures& signatures;
    const FunctionTable& functions;
    config::Diagnostics& diagnostics;
  };

  ApiPlanner(const Surroundings& surroundings, const config::ApiConfig& api);

  // The plan is whole only if nothing was reported.
  PlannedApi Plan();

 private:
  // A step under inspection. Sources count the steps as the file has them.
  struct Draft {
    const config::StepConfig* config = nullptr;
    // One of the two, unless the callee is not known.
    const MethodSignature* method = nullptr;
    FunctionFactory factory = nullptr;
    // Where each argument comes from; nullopt for a literal, and for what was not found.
    std::vector<std::optional<ValueSource>> sources;
    // nullopt if they could not be told: what depends on them is not judged.
    std::optional<std::vector<TensorSpec>> outputs;
    bool used = false;
    PlannedStep step;

    bool HasRunner() const { return factory == nullptr; }
  };

  void CheckRows();
  void ResolveCallee(Draft& draft);
  void ResolveMethod(Draft& draft, const Signature& signature);
  void ResolveArguments(Draft& draft);
  std::optional<ValueSource> ResolveReference(const config::Reference& reference,
                                              config::Location location);
  size_t ResolveOutput(const config::Reference& reference, const Draft& draft,
                       config::Location location);
  std::vector<size_t> OrderDrafts();

  void BindCall(Draft& draft);
  void BindFunction(Draft& draft);
  std::vector<FunctionArgument> FunctionArguments(const Draft& draft) const;
  std::string Origin(const Draft& draft, size_t argument) const;
  std::vector<PlannedOutput> PlanOutputs();
  std::optional<PlannedMonitor> PlanMonitor(const std::vector<PlannedOutput>& outputs);
  std::optional<ValueSource> ResolveMonitored(const config::MonitorValue& value,
                                              const std::vector<PlannedOutput>& outputs);
  void CheckUnused();

  std::optional<ValueType> TypeOf(const ValueSource& source) const;
  const Draft* FindStep(std::string_view name) const;
  std::vector<std::string> ValueNames() const;
  void Report(config::Location location, std::string message) {
    around_.diagnostics.Add(location, std::move(message));
  }

  const Surroundings around_;
  const config::ApiConfig& api_;
  std::vector<Draft> drafts_;
  std::vector<bool> used_inputs_;
};

}  // namespace tiffin::gateway
