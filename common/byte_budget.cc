#include "common/byte_budget.h"

namespace tiffin {

struct ByteBudget::State {
  explicit State(uint64_t bytes) : left(bytes) {}
  std::atomic<uint64_t> left;
  std::atomic<int> tenants = 0;
};

struct ByteBudget::Tenancy {
  std::atomic<uint64_t> bytes = 0;

  // True if it may have `more` where that leaves `left`.
  bool MayTake(uint64_t more, uint64_t left) const { return bytes == 0 || bytes + more <= left; }
};

ByteBudget::Share& ByteBudget::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  Resize(0);
  budget_ = std::move(other.budget_);
  tenancy_ = std::move(other.tenancy_);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool ByteBudget::Share::Resize(uint64_t bytes) {
  if (bytes <= bytes_) {
    if (bytes < bytes_) {
      if (tenancy_ != nullptr) tenancy_->bytes -= bytes_ - bytes;
      budget_->left += bytes_ - bytes;
    }
  } else {
    const uint64_t more = bytes - bytes_;
    const bool competes = tenancy_ != nullptr && budget_->tenants > 1;
    uint64_t left = budget_->left;
    do {
      if (left < more) return false;
      if (competes && !tenancy_->MayTake(more, left - more)) return false;
    } while (!budget_->left.compare_exchange_weak(left, left - more));
    if (tenancy_ != nullptr) tenancy_->bytes += more;
  }
  bytes_ = bytes;
  return true;
}

ByteBudget::Tenant::Tenant(const ByteBudget& budget)
    : budget_(budget.state_), tenancy_(std::make_shared<Tenancy>()) {
  ++budget_->tenants;
}

ByteBudget::Tenant::~Tenant() { --budget_->tenants; }

ByteBudget::Share ByteBudget::Tenant::Begin() const {
  Share share;
  share.budget_ = budget_;
  share.tenancy_ = tenancy_;
  return share;
}

ByteBudget::ByteBudget(uint64_t limit) : state_(std::make_shared<State>(limit)) {}

ByteBudget::Share ByteBudget::Begin() const {
  Share share;
  share.budget_ = state_;
  return share;
}

}  // namespace tiffin
