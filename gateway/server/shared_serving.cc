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
  planned_strangers_.clear();
  for (const auto& runner : shared_runners) {
    planned_strangers_.push_back(runner->strangers.text());
  }
  const auto describe = [this](size_t runner) -> absl::StatusOr<WorkerDescription> {
    std::optional<WorkerDescription> accepted = shared_runners[runner]->accepted.current();
    if (accepted.has_value()) return *std::move(accepted);
    if (planned_strangers_[runner].empty()) return absl::UnavailableError("none has attached yet");
    return absl::FailedPreconditionError(planned_strangers_[runner]);
  };
  ASSIGN_OR_RETURN(ServingPlan::Attempt attempt, ServingPlan::Create(options, describe));
  // Those that didn't fit are asked again, which tells nothing new until they have answered.
  const Absences::Reasons before = absences.all();
  for (auto& [service, why] : attempt.why_absent) {
    if (!absl::IsUnavailable(why) || !misfits.contains(service)) continue;
    why = before.at(service);
    attempt.misfits.insert(service);
  }
  misfits = std::move(attempt.misfits);
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

bool SharedServing::HasNewStrangers(std::string_view service) const {
  for (size_t i = 0; i < options.runners.size(); ++i) {
    const SharedRunner& runner = *shared_runners[i];
    if (options.runners[i].service != service || runner.accepted.current().has_value()) continue;
    if (runner.strangers.text() != planned_strangers_[i]) return true;
  }
  return false;
}

}  // namespace tiffin::gateway
