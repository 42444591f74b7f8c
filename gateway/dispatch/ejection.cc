#include "gateway/dispatch/ejection.h"

#include <algorithm>

namespace tiffin::gateway {

void Ejection::OnSuccess(absl::Time now) {
  failures_ = 0;
  // It has been well for as long as it was left out.
  if (now >= until_ + last_) last_ = absl::ZeroDuration();
}

bool Ejection::OnFailure(absl::Time now) {
  // What it was given before says nothing new.
  if (ejected(now) || ++failures_ < kFailures) return false;
  // The next one after its return is enough.
  failures_ = kFailures - 1;
  last_ = last_ == absl::ZeroDuration() ? kFirst : std::min(last_ * 2, kLongest);
  until_ = now + last_;
  return true;
}

}  // namespace tiffin::gateway
