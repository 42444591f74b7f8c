#include "gateway/dispatch/queue_wait.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace tiffin::gateway {
namespace {

constexpr int kRemembered = 32;

size_t LengthClass(size_t waiting, size_t classes) {
  return std::min<size_t>(std::bit_width(waiting), classes - 1);
}

}  // namespace

void QueueWait::Join(size_t waiting, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  if (waiting == 0) last_ = now;
}

void QueueWait::Leave(size_t waiting, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  Pace& pace = paces_[LengthClass(waiting, paces_.size())];
  if (now - pace.measured > kBelieved) pace.measurements = 0;
  pace.measurements = std::min(pace.measurements + 1, kRemembered);
  pace.gap += (now - last_ - pace.gap) / pace.measurements;
  pace.measured = now;
  last_ = now;
}

absl::Duration QueueWait::Predict(size_t waiting, absl::Time now) const {
  const absl::MutexLock lock(&mutex_);
  const Pace* const pace = Known(waiting + 1, now);
  if (pace == nullptr) return absl::ZeroDuration();
  const absl::Duration before = pace->gap * static_cast<int64_t>(waiting);
  return before + before / kMargin + pace->gap;
}

const QueueWait::Pace* QueueWait::Known(size_t length, absl::Time now) const {
  const auto known = std::find_if(
      paces_.begin() + static_cast<ptrdiff_t>(LengthClass(length, paces_.size())), paces_.end(),
      [now](const Pace& pace) {
        return pace.measurements >= kLeastMeasurements && now - pace.measured <= kBelieved;
      });
  return known == paces_.end() ? nullptr : &*known;
}

}  // namespace tiffin::gateway
