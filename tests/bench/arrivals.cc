#include "tests/bench/arrivals.h"

#include <cmath>
#include <random>

namespace tiffin::bench {

std::vector<absl::Duration> PoissonArrivals(double rate, absl::Duration duration, uint64_t seed) {
  std::vector<absl::Duration> times;
  std::mt19937_64 random(seed);
  double seconds = 0;
  while (true) {
    // In [0, 1), the same with every standard library, which its distributions are not.
    const double uniform = std::ldexp(static_cast<double>(random() >> 11), -53);
    seconds -= std::log(1 - uniform) / rate;
    const absl::Duration time = absl::Seconds(seconds);
    if (time >= duration) return times;
    times.push_back(time);
  }
}

std::vector<absl::Duration> PhasedArrivals(std::span<const Phase> phases, uint64_t seed) {
  std::vector<absl::Duration> times;
  absl::Duration begin;
  for (const Phase& phase : phases) {
    for (const absl::Duration time : PoissonArrivals(phase.rate, phase.duration, seed++)) {
      times.push_back(begin + time);
    }
    begin += phase.duration;
  }
  return times;
}

std::vector<absl::Duration> BurstArrivals(double rate, int size, absl::Duration duration) {
  std::vector<absl::Duration> times;
  const absl::Duration gap = absl::Seconds(size / rate);
  for (absl::Duration time; time < duration; time += gap) {
    times.insert(times.end(), static_cast<size_t>(size), time);
  }
  return times;
}

}  // namespace tiffin::bench
