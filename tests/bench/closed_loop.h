#pragma once

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/bench/load.h"

namespace tiffin::bench {

struct ClosedLoad {
  int in_flight = 1;
  // Not measured: connections are made, caches fill.
  absl::Duration warm_up = absl::Milliseconds(200);
  // What is measured ends with whichever comes first, but not before one call was.
  absl::Duration duration = absl::Seconds(1);
  int64_t max_requests = 1'000'000;
  // Asks the server for the timeline of each call.
  bool wants_timings = false;
  // A process of this machine whose CPU time is measured; 0: none.
  pid_t cpu_of = 0;
  // A server that is silent for so long beyond the end has failed.
  absl::Duration patience = absl::Seconds(15);
};

// Keeps `load.in_flight` calls under way, from the calling thread. A latency counts from when the
// call started. The first reply that is not OK, or that is refused by the check, ends it with that
// error. NOT_FOUND: there is no process `cpu_of`.
absl::StatusOr<LoadResult> RunClosedLoop(const Workload& workload, const ClosedLoad& load);

}  // namespace tiffin::bench
