#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "common/clock.h"

namespace tiffin::log {

// For what may happen often, and is worth a line the first time and then every ten seconds at most.
// Not thread-safe.
class Throttle {
 public:
  static constexpr absl::Duration kPause = absl::Seconds(10);

  // `clock` outlives it.
  explicit Throttle(const Clock& clock) : clock_(clock) {}

  // It happened. How often it has so far, where a line is due.
  std::optional<int64_t> Count() {
    ++count_;
    const absl::Time now = clock_.Now();
    if (now < next_) return std::nullopt;
    next_ = now + kPause;
    return count_;
  }

 private:
  const Clock& clock_;
  int64_t count_ = 0;
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace tiffin::log
