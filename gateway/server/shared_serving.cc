#include "gateway/server/shared_serving.h"

#include <utility>

#include "common/cgroup.h"
#include "common/clock.h"
#include "common/shm/segment_pool.h"
#include "common/status_macros.h"

namespace tiffin::gateway {

SharedServing::SharedServing(ServingOptions served, size_t loops, metrics::Metrics& counts)
    : options(std::move(served)),
      metrics(counts),
      readiness(options.runners, loops),
      memory(shm::LimitByCgroup(options.segment_limit)),
      oom_kills([counted = CgroupOomKills(CgroupPaths())] { return counted.Read(); },
                Clock::Monotonic()) {
  for (const RunnerSetup& setup : options.runners) {
    shared_runners.push_back(
        std::make_unique<SharedRunner>(setup.replicas, setup.queue_max, Clock::Monotonic(),
                                       metrics.Runner({setup.service, setup.runner}, setup.replicas,
                                                      setup.queue_max + setup.replicas)));
  }
}

absl::Status SharedServing::Plan(
    absl::FunctionRef<const WorkerDescription&(size_t runner)> describe) {
  ASSIGN_OR_RETURN(plan, ServingPlan::Create(options, describe));
  ASSIGN_OR_RETURN(descriptors, typed::Descriptors::Create(plan->services));
  statistics.emplace(plan->services, plan->runners);
  target_counts = TargetCounts(plan->services, plan->runners, metrics);
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
