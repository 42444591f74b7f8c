#include "gateway/api/http/body_budget.h"

namespace tiffin::gateway::http {

struct BodyBudget::Share::State {
  explicit State(uint64_t bytes) : left(bytes) {}
  std::atomic<uint64_t> left;
};

BodyBudget::Share& BodyBudget::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  Resize(0);
  budget_ = std::move(other.budget_);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool BodyBudget::Share::Resize(uint64_t bytes) {
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

BodyBudget::BodyBudget(uint64_t limit) : state_(std::make_shared<Share::State>(limit)) {}

BodyBudget::Share BodyBudget::Begin() const {
  Share share;
  share.budget_ = state_;
  return share;
}

}  // namespace tiffin::gateway::http
