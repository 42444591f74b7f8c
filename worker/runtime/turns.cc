#include "worker/runtime/turns.h"

#include <algorithm>

namespace tiffin::worker {

void Turns::Join(uint64_t gateway) {
  auto share = shares_.find(gateway);
  if (share == shares_.end()) {
    ForgetIdle();
    share = shares_.emplace(gateway, Share{}).first;
  }
  if (share->second.waiting++ == 0) share->second.turn = std::max(share->second.turn, now_);
  ++waiting_;
}

void Turns::Leave(uint64_t gateway) {
  --shares_.at(gateway).waiting;
  if (--waiting_ == 0) now_ = latest_;  // Nobody competes, so nobody owes anything.
}

void Turns::Serve(uint64_t gateway, int64_t rows, Place place) {
  Share& share = shares_.at(gateway);
  if (place == Place::kLeads) now_ = share.turn;
  const auto highest = now_ + static_cast<uint64_t>(std::max(rows, most_rows_));
  share.turn = std::min(share.turn + static_cast<uint64_t>(rows), std::max(share.turn, highest));
  latest_ = std::max(latest_, share.turn);
  Leave(gateway);
}

void Turns::ForgetIdle() {
  absl::erase_if(shares_, [this](const auto& entry) {
    return entry.second.waiting == 0 && entry.second.turn <= now_;
  });
}

}  // namespace tiffin::worker
