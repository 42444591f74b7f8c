#include "gateway/server/runner_target.h"

#include <string>
#include <utility>

#include "common/config/service.h"
#include "common/status_macros.h"

namespace tiffin::gateway {

absl::StatusOr<RunnerTarget> RunnerTarget::Create(const RunnerEntry& entry, Runner& runner) {
  RunnerTarget target;
  target.plan_ = std::make_unique<PlannedApi>();
  PlannedApi& plan = *target.plan_;
  plan.service = entry.service;
  plan.name = entry.runner;
  plan.inputs = entry.signature.inputs;
  plan.has_rows = entry.signature.batchable;
  plan.timeout = config::kDefaultApiTimeout;

  PlannedStep step;
  step.name = entry.runner;
  step.action = PlannedCall{.runner = entry.runner,
                            .method = entry.method,
                            .signature = entry.signature,
                            .retries = entry.signature.retry_safe ? 1 : 0};
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    step.arguments.emplace_back(ValueSource{.from = ValueSource::From::kInput, .index = i});
  }
  step.outputs = entry.signature.outputs;
  plan.steps.push_back(std::move(step));
  for (size_t i = 0; i < entry.signature.outputs.size(); ++i) {
    plan.outputs.push_back({.spec = entry.signature.outputs[i],
                            .source = {.from = ValueSource::From::kStep, .index = 0, .output = i}});
  }
  ASSIGN_OR_RETURN(BoundApi bound,
                   BoundApi::Create(plan, [&](const std::string& /*name*/) { return &runner; }));
  target.bound_ = std::make_unique<BoundApi>(std::move(bound));
  return target;
}

}  // namespace tiffin::gateway
