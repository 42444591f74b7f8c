#include "gateway/dispatch/oom_kills.h"

#include <utility>

namespace tiffin::gateway {

OomKills::OomKills(std::function<uint64_t()> read, const Clock& clock)
    : read_(std::move(read)),
      clock_(clock),
      earlier_(read_()),
      latest_(earlier_),
      read_at_(clock.Now()) {}

uint64_t OomKills::before() {
  const absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_.Now();
  if (now - read_at_ >= kMoment) {
    earlier_ = latest_;
    latest_ = read_();
    read_at_ = now;
  }
  return earlier_;
}

}  // namespace tiffin::gateway
