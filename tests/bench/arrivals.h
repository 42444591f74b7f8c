#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/time/time.h"

namespace tiffin::bench {

// When calls start whose senders know nothing of one another and of the replies: times since the
// beginning, ascending, of all before `duration`.

// By chance, at `rate` a second on average. The same `seed` gives the same times.
std::vector<absl::Duration> PoissonArrivals(double rate, absl::Duration duration, uint64_t seed);

// One after the other, each with a rate of its own.
struct Phase {
  double rate = 0;
  absl::Duration duration;
};
std::vector<absl::Duration> PhasedArrivals(std::span<const Phase> phases, uint64_t seed);

// `size` at once, as often as makes `rate` a second.
std::vector<absl::Duration> BurstArrivals(double rate, int size, absl::Duration duration);

}  // namespace tiffin::bench
