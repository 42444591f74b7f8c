#include "gateway/metrics/metrics.h"

namespace tiffin::gateway::metrics {

RunnerMetrics::RunnerMetrics(int replica_count, int64_t limit) : calls_limit(limit) {
  for (int i = 0; i < replica_count; ++i) replicas.push_back(std::make_unique<ReplicaMetrics>());
}

RunnerMetrics& Metrics::Runner(const Name& name, int replicas, int64_t calls_limit) {
  const absl::MutexLock lock(&mutex_);
  auto& runner = runners_[name];
  if (runner == nullptr) runner = std::make_unique<RunnerMetrics>(replicas, calls_limit);
  return *runner;
}

TargetMetrics& Metrics::Target(const Name& name, const std::vector<StepName>& steps) {
  const absl::MutexLock lock(&mutex_);
  auto& target = targets_[name];
  if (target != nullptr) return *target;
  target = std::make_unique<TargetMetrics>();
  for (const StepName& step : steps) {
    auto& made = *target->steps.emplace_back(std::make_unique<StepMetrics>());
    made.name = step.name;
    if (!step.runner.empty()) made.runner = runners_.at({name.first, step.runner}).get();
  }
  return *target;
}

}  // namespace tiffin::gateway::metrics
