#pragma once

#include <span>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/bench/arrivals.h"

namespace tiffin::bench {

// What became of a call that may be refused.
struct Outcome {
  absl::Duration due;      // When it should have started, from the beginning.
  absl::Duration lag;      // How much later it did.
  absl::Duration latency;  // From `due` to its end.
  absl::StatusCode code = absl::StatusCode::kOk;
};

// For each phase: the calls that came in it (`offered`) and what they ended with (`answered`,
// `refused` by RESOURCE_EXHAUSTED, `late` by DEADLINE_EXCEEDED), how many were answered while it
// lasted, a second (`goodput`), percentiles of the latencies of those answered and of those
// refused, and how late calls started (`lag_p99_us`). Null where there is nothing to measure.
nlohmann::json SummarizePhases(std::span<const Phase> phases, std::span<const Outcome> outcomes);

}  // namespace tiffin::bench
