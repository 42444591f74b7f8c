#include "common/shm/segment_budget.h"

#include <vector>

namespace tiffin::shm {

bool SegmentBudget::Take(uint64_t bytes) {
  uint64_t left = left_;
  while (left >= bytes) {
    if (left_.compare_exchange_weak(left, left - bytes)) return true;
  }
  return false;
}

void SegmentBudget::Join(Sharer& sharer) {
  const absl::MutexLock lock(&mutex_);
  sharers_.push_back(&sharer);
}

void SegmentBudget::Leave(Sharer& sharer) {
  const absl::MutexLock lock(&mutex_);
  std::erase(sharers_, &sharer);
}

void SegmentBudget::AskOthers(const Sharer& asker) {
  const absl::MutexLock lock(&mutex_);
  for (Sharer* const sharer : sharers_) {
    if (sharer != &asker) sharer->DropFree();
  }
}

}  // namespace tiffin::shm
