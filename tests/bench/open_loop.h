#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/bench/load.h"
#include "tests/bench/outcomes.h"

namespace tiffin::bench {

struct OpenLoad {
  // When calls start, whatever became of those before: times since the beginning, ascending.
  std::span<const absl::Duration> arrivals;
  // Calls that should start earlier are not measured.
  absl::Duration warm_up;
  // The deadline of each call.
  absl::Duration patience = absl::Seconds(60);
};

// Makes a call at each of `load.arrivals`. A latency counts from when the call should have started:
// if the client or the server falls behind, the calls that had to wait show it. The first reply
// that is not OK, or that is refused by the check, ends it with that error.
absl::StatusOr<LoadResult> RunOpenLoop(const Workload& workload, const OpenLoad& load);

// The same with more than a server may be able to answer: RESOURCE_EXHAUSTED and DEADLINE_EXCEEDED
// are outcomes like others. In the order in which the calls ended.
absl::StatusOr<std::vector<Outcome>> RunOverload(const Workload& workload, const OpenLoad& load);

}  // namespace tiffin::bench
