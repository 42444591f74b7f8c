#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tiffin {

// Time since some fixed point, never set back: for deadlines and durations within one process.
// Injected where tests decide what time it is. Implementations are safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // CLOCK_MONOTONIC, as an absl::Time since the Unix epoch (so never print it as a date).
  static const Clock& Monotonic();
};

// User and system time of this process, of all its threads, so far.
absl::Duration ProcessCpuTime();

}  // namespace tiffin
