#include "gateway/server/target_counts.h"

#include <string>
#include <vector>

#include "gateway/api/interface.h"

namespace tiffin::gateway {
namespace {

const void* KeyOf(InferTarget target) {
  return std::visit([](const auto* address) -> const void* { return address; }, target);
}

// What clients call it, without the service.
metrics::Metrics::Name NameOfMethod(const RunnerEntry& entry) {
  return {entry.service, NameOf(&entry).substr(entry.service.size() + 1)};
}

void CountCall(metrics::RunnerMetrics& runner, const StepTiming& step) {
  runner.duration.Observe(step.end - step.start);
  runner.queue.Observe(step.spent.queue);
  runner.batch_wait.Observe(step.spent.batch);
  runner.compute.Observe(step.spent.compute);
  runner.transport.Observe(step.transport());
}

}  // namespace

TargetCounts::TargetCounts(std::span<const PlannedService> services,
                           std::span<const RunnerEntry> runners, metrics::Metrics& metrics) {
  for (const RunnerEntry& entry : runners) {
    targets_[&entry] = &metrics.Target(NameOfMethod(entry), {{.name = "", .runner = entry.runner}});
  }
  for (const PlannedService& service : services) {
    for (const PlannedApi& api : service.apis) {
      std::vector<metrics::StepName> steps;
      for (const PlannedStep& step : api.steps) {
        steps.push_back(
            {.name = step.name, .runner = step.call() != nullptr ? step.call()->runner : ""});
      }
      targets_[&api] = &metrics.Target({service.name, api.name}, steps);
    }
  }
}

metrics::TargetMetrics& TargetCounts::at(InferTarget target) const {
  return *targets_.at(KeyOf(target));
}

void CountEnded(metrics::TargetMetrics& target, absl::StatusCode code, absl::Duration total,
                std::span<const StepTiming> steps) {
  target.requests.Count(code);
  target.duration.Observe(total);
  for (const StepTiming& step : steps) {
    metrics::StepMetrics& counted = *target.steps[step.step];
    if (counted.runner != nullptr) {
      for (const Executions& executions : step.executions) {
        counted.runner->batch_rows.Observe(executions.rows, executions.count);
      }
    }
    if (!step.done) continue;
    counted.duration.Observe(step.end - step.start);
    if (counted.runner != nullptr) CountCall(*counted.runner, step);
  }
}

}  // namespace tiffin::gateway
