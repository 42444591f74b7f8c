#pragma once

#include <span>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gateway/api/serving.h"
#include "gateway/metrics/metrics.h"

namespace tiffin::gateway {

// By which metrics a loop's requests are counted: one lookup by the target's address for each.
// Immutable, after its assignment at the start.
class TargetCounts {
 public:
  TargetCounts() = default;
  // The runners' metrics are there already. All of it outlives this.
  TargetCounts(std::span<const PlannedService> services, std::span<const RunnerEntry> runners,
               metrics::Metrics& metrics);

  metrics::TargetMetrics& at(InferTarget target) const;

 private:
  std::unordered_map<const void*, metrics::TargetMetrics*> targets_;
};

// A request that had begun has ended, `total` after its arrival.
void CountEnded(metrics::TargetMetrics& target, absl::StatusCode code, absl::Duration total,
                std::span<const StepTiming> steps);

}  // namespace tiffin::gateway
