#include "common/byte_budget.h"

namespace tiffin {

struct ByteBudget::Share::State {
  explicit State(uint64_t bytes) : left(bytes) {}
  std::atomic<uint64_t> left;
};

ByteBudget::Share& ByteBudget::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  Resize(0);
  budget_ = std::move(other.budget_);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool ByteBudget::Share::Resize(uint64_t bytes) {
  if (bytes <= bytes_) {
    if (bytes < bytes_) budget_->left += bytes_ - bytes;
  } else {
    const uint64_t more = bytes - bytes_;
    uint64_t left = budget_->left;
    do {
      if (left < more) return false;
    } while (!budget_->left.compare_exchange_weak(left, left - more));
  }
  bytes_ = bytes;
  return true;
}

ByteBudget::ByteBudget(uint64_t limit) : state_(std::make_shared<Share::State>(limit)) {}

ByteBudget::Share ByteBudget::Begin() const {
  Share share;
  share.budget_ = state_;
  return share;
}

}  // namespace tiffin
