#include "gateway/server/serving_plan.h"

#include <utility>

#include "common/config/diagnostics.h"
#include "common/status_macros.h"

namespace tiffin::gateway {

absl::StatusOr<std::unique_ptr<const ServingPlan>> ServingPlan::Create(
    const ServingOptions& options,
    absl::FunctionRef<const WorkerDescription&(size_t runner)> describe) {
  auto plan = std::make_unique<ServingPlan>();
  std::vector<config::Diagnostics> errors;
  for (const config::ServiceConfig& service : options.services) {
    RunnerSignatures signatures;
    for (size_t i = 0; i < options.runners.size(); ++i) {
      const RunnerSetup& setup = options.runners[i];
      if (setup.service == service.name) signatures[setup.runner] = describe(i).methods;
    }
    plan->services.push_back(PlanService(service, signatures, options.extensions,
                                         errors.emplace_back(service.file.native())));
  }
  RETURN_IF_ERROR(config::ToStatus(errors));
  for (size_t i = 0; i < options.runners.size(); ++i) {
    const WorkerDescription& description = describe(i);
    for (const auto& [method, signature] : description.methods) {
      plan->runners.push_back({.service = options.runners[i].service,
                               .runner = options.runners[i].runner,
                               .method = method,
                               .signature = signature,
                               .version = description.model_version,
                               .backend = description.backend});
    }
  }
  return plan;
}

}  // namespace tiffin::gateway
