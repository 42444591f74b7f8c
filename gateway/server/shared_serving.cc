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
    for (const auto& replica : shared_runners.back()->metrics.replicas) {
      replica->elsewhere = setup.elsewhere();
      replica->vacant = setup.elsewhere();
    }
  }
}

absl::StatusOr<ServingGeneration*> SharedServing::Plan() {
  ASSIGN_OR_RETURN(
      ServingPlan::Attempt attempt,
      ServingPlan::Create(options, [this](size_t runner) -> std::optional<WorkerDescription> {
        return shared_runners[runner]->accepted.current();
      }));
  // Those that didn't fit are asked again, which tells nothing new until they have answered.
  const Absences::Reasons before = absences.all();
  for (auto& [service, why] : attempt.why_absent) {
    const auto known = before.find(service);
    if (absl::IsUnavailable(why) && known != before.end()) why = known->second;
  }
  ServingGeneration* const last = generations.empty() ? nullptr : generations.back().get();
  if (last != nullptr && attempt.plan->services.size() <= last->plan->services.size()) {
    absences.Set(std::move(attempt.why_absent));
    return nullptr;
  }
  auto generation = std::make_unique<ServingGeneration>();
  generation->plan = std::move(attempt.plan);
  const ServingPlan& plan = *generation->plan;
  ASSIGN_OR_RETURN(generation->descriptors, typed::Descriptors::Create(plan.services));
  generation->statistics.emplace(plan.services, plan.runners,
                                 last == nullptr ? nullptr : &*last->statistics);
  generation->target_counts = TargetCounts(plan.services, plan.runners, metrics);
  absences.Set(std::move(attempt.why_absent));
  generations.push_back(std::move(generation));
  return generations.back().get();
}

}  // namespace tiffin::gateway
