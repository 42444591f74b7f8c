#include "common/clock.h"

#include <time.h>

#include <chrono>

namespace tiffin {
namespace {

class MonotonicClock final : public Clock {
 public:
  absl::Time Now() const override {
    return absl::UnixEpoch() +
           absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

const Clock& Clock::Monotonic() {
  // Never destroyed: what else is static may ask it at the very end.
  static const MonotonicClock& clock = *new MonotonicClock;
  return clock;
}

absl::Duration ProcessCpuTime() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

}  // namespace tiffin
