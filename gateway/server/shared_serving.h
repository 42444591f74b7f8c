#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/random_id.h"
#include "common/shm/segment_budget.h"
#include "gateway/api/statistics.h"
#include "gateway/api/typed/descriptors.h"
#include "gateway/dispatch/oom_kills.h"
#include "gateway/dispatch/shared_runner.h"
#include "gateway/metrics/metrics.h"
#include "gateway/server/absences.h"
#include "gateway/server/options.h"
#include "gateway/server/readiness.h"
#include "gateway/server/serving_plan.h"
#include "gateway/server/target_counts.h"

namespace tiffin::gateway {

// What is served from a moment on, by all loops. Those before it stay, with the requests and the
// streams that began then.
struct ServingGeneration {
  std::unique_ptr<const ServingPlan> plan;
  std::unique_ptr<const typed::Descriptors> descriptors;
  std::optional<Statistics> statistics;
  TargetCounts target_counts;
};

// What the loops of a server share. Thread-safe, or not changed any more once a loop uses it;
// owned by ServerCore, outlives them.
struct SharedServing {
  // `counts` outlives it, and what clients were given.
  SharedServing(ServingOptions served, size_t loops, metrics::Metrics& counts);
  // Plans what is served, when workers have said what they are. As ServingPlan::Create, and
  // INVALID_ARGUMENT where names of the services clash, or break with a contract. Null: no service
  // more than before. On the first loop's thread.
  absl::StatusOr<ServingGeneration*> Plan();
  // Other strangers than then stand where workers of an absent service should. Likewise.
  bool HasNewStrangers(std::string_view service) const;

  const uint64_t id = RandomId();  // Of this gateway, to workers.
  const ServingOptions options;
  metrics::Metrics& metrics;
  std::vector<std::unique_ptr<SharedRunner>> shared_runners;  // By runner, as in `options`.
  Readiness readiness;
  Absences absences;
  shm::SegmentBudget memory;  // What all loops may have in segments.
  OomKills oom_kills;
  // As many as services have workers elsewhere, and one, at most. Of the first loop's thread.
  std::vector<std::unique_ptr<ServingGeneration>> generations;
  // Absent services whose workers don't fit, by the last plan that knew all of them. Likewise.
  std::set<std::string, std::less<>> misfits;

 private:
  // By runner: the strangers that the last plan knew.
  std::vector<std::string> planned_strangers_;
};

}  // namespace tiffin::gateway
