#include "worker/runtime/arrivals.h"

#include <algorithm>
#include <span>

namespace tiffin::worker {
namespace {

// With fewer gaps than this, what was seen may be chance.
constexpr size_t kLeastGaps = 8;
// A wait ends that much later than asked: the kernel's slack on timers, and the thread's way back
// onto a core.
constexpr double kWakeUs = 60;

}  // namespace

void Arrivals::Add(absl::Time when, int64_t rows) {
  if (last_.has_value()) {
    gaps_[added_ % kKept] = {.us = absl::ToDoubleMicroseconds(when - *last_),
                             .rows = static_cast<double>(rows)};
    ++added_;
  }
  last_ = when;
}

absl::Duration Arrivals::BestWait(const CostModel& cost, int64_t calls, absl::Time now) const {
  const double fixed = absl::ToDoubleMicroseconds(cost.fixed());
  const double row = absl::ToDoubleMicroseconds(cost.per_row());
  const auto waiting = static_cast<double>(calls);
  if (added_ < kLeastGaps || fixed <= (waiting + 1) * kWakeUs) return absl::ZeroDuration();

  const double passed = absl::ToDoubleMicroseconds(now - *last_);
  std::array<Gap, kKept> ahead;  // What is left of the gaps that have not passed yet.
  size_t count = 0;
  for (const Gap& gap : std::span(gaps_).first(std::min(added_, kKept))) {
    if (gap.us >= passed) ahead[count++] = {.us = gap.us - passed + kWakeUs, .rows = gap.rows};
  }
  std::sort(ahead.begin(), ahead.begin() + count,
            [](const Gap& a, const Gap& b) { return a.us < b.us; });

  double gains = 0;
  double best = 0;
  double best_wait = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto [wait, rows] = ahead[i];
    gains += fixed - (waiting + 1) * wait - waiting * rows * row;
    const double losses = static_cast<double>(count - i - 1) * waiting * wait;
    if (gains - losses > best) {
      best = gains - losses;
      best_wait = wait;
    }
  }
  return absl::Microseconds(best_wait);
}

}  // namespace tiffin::worker
