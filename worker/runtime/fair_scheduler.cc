#include "worker/runtime/fair_scheduler.h"

#include <algorithm>

namespace tiffin::worker {

void FairScheduler::Join(uint64_t gateway) {
  auto share = shares_.find(gateway);
  if (share == shares_.end()) {
    ForgetIdle();
    share = shares_.emplace(gateway, Share{}).first;
  }
  if (share->second.waiting++ == 0)
    share->second.start_tag = std::max(share->second.start_tag, virtual_time_);
  ++waiting_;
}

void FairScheduler::Leave(uint64_t gateway) {
  --shares_.at(gateway).waiting;
  if (--waiting_ == 0) virtual_time_ = latest_;  // Nobody competes, so nobody owes anything.
}

void FairScheduler::Serve(uint64_t gateway, int64_t rows, Place place) {
  Share& share = shares_.at(gateway);
  if (place == Place::kLeads) virtual_time_ = share.start_tag;
  const auto highest = virtual_time_ + static_cast<uint64_t>(std::max(rows, most_rows_));
  share.start_tag =
      std::min(share.start_tag + static_cast<uint64_t>(rows), std::max(share.start_tag, highest));
  latest_ = std::max(latest_, share.start_tag);
  Leave(gateway);
}

void FairScheduler::ForgetIdle() {
  absl::erase_if(shares_, [this](const auto& entry) {
    return entry.second.waiting == 0 && entry.second.start_tag <= virtual_time_;
  });
}

}  // namespace tiffin::worker
