#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "gateway/graph/execution.h"

namespace tiffin::gateway {

// Where the time of a request went, all of it.
struct Ledger {
  absl::Duration total;  // From its arrival until its reply was made.
  absl::Duration parse;  // From its arrival until the steps' times begin.
  std::span<const StepTiming> steps;
  std::span<const size_t> critical_path;  // Indices into `steps`.
};

// Metadata beyond about 8 KiB makes an RPC fail.
inline constexpr size_t kMaxTimingBytes = 6000;

// One line of JSON:
//   {total_us, parse_us, dispatch_us, gather_us, critical_path: [name],
//    steps: [{name, runner, start_us, end_us, queue_us, batch_us, compute_us, transport_us}]}
// A step's four parts are the whole of it, together with the `retry_us` of one that was run again
// (`retries`); one that was made as several calls says how many (`calls`). dispatch_us is what lies
// between the steps of the critical path, and before its first. So total_us is parse_us,
// dispatch_us, the critical path's steps and gather_us. Where it would pass kMaxTimingBytes, it
// leaves out steps, those of the critical path last, and says "truncated": true.
std::string TimingJson(const Ledger& ledger);

}  // namespace tiffin::gateway
