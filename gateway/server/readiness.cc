#include "gateway/server/readiness.h"

#include <algorithm>

namespace tiffin::gateway {

bool Readiness::Set(size_t loop, size_t runner, bool ready) {
  const absl::MutexLock lock(&mutex_);
  const bool before = ReadyOnAll(runner);
  ready_[runner][loop] = ready;
  return ReadyOnAll(runner) != before;
}

bool Readiness::ReadyOnAll(size_t runner) const {
  return std::find(ready_[runner].begin(), ready_[runner].end(), false) == ready_[runner].end();
}

bool Readiness::RunnerReady(std::string_view service, std::string_view runner) const {
  if (state_ != State::kServing) return false;
  const absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < runners_.size(); ++i) {
    if (runners_[i].service == service && runners_[i].runner == runner) return ReadyOnAll(i);
  }
  return false;
}

bool Readiness::ServiceReady(std::string_view service) const {
  if (state_ != State::kServing) return false;
  const absl::MutexLock lock(&mutex_);
  if (absent_.contains(service)) return false;
  for (size_t i = 0; i < runners_.size(); ++i) {
    if (runners_[i].service == service && !ReadyOnAll(i)) return false;
  }
  return true;
}

}  // namespace tiffin::gateway
