#include "gateway/dispatch/trial_turn.h"

namespace tiffin::gateway {

std::optional<TrialTurn::Held> TrialTurn::Take(absl::AnyInvocable<void()> free) {
  const absl::MutexLock lock(&mutex_);
  if (taken_) {
    waiting_.push_back(std::move(free));
    return std::nullopt;
  }
  taken_ = true;
  return std::optional<Held>(std::in_place, *this);
}

void TrialTurn::GiveBack() {
  std::vector<absl::AnyInvocable<void()>> waiting;
  {
    const absl::MutexLock lock(&mutex_);
    taken_ = false;
    waiting.swap(waiting_);
  }
  for (auto& free : waiting) std::move(free)();
}

}  // namespace tiffin::gateway
