#include "common/byte_budget.h"

namespace tiffin {

struct ByteBudget::State {
  explicit State(uint64_t bytes) : left(bytes) {}
  std::atomic<uint64_t> left;
  std::atomic<int> tenants = 0;
};

class ByteBudget::Tenant {
 public:
  explicit Tenant(std::shared_ptr<State> budget) : budget_(std::move(budget)) {
    ++budget_->tenants;
  }
  ~Tenant() { --budget_->tenants; }
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;

  // True if it may have `more` where that leaves `left`.
  bool MayTake(uint64_t more, uint64_t left) const {
    return budget_->tenants == 1 || bytes_ == 0 || bytes_ + more <= left;
  }
  void Add(uint64_t bytes) { bytes_ += bytes; }
  void Remove(uint64_t bytes) { bytes_ -= bytes; }

 private:
  const std::shared_ptr<State> budget_;  // Shared with the budget and its shares.
  std::atomic<uint64_t> bytes_ = 0;
};

ByteBudget::Share& ByteBudget::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  Resize(0);
  budget_ = std::move(other.budget_);
  tenant_ = std::move(other.tenant_);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool ByteBudget::Share::Resize(uint64_t bytes) {
  if (bytes < bytes_) {
    if (tenant_ != nullptr) tenant_->Remove(bytes_ - bytes);
    budget_->left += bytes_ - bytes;
  } else if (bytes > bytes_) {
    const uint64_t more = bytes - bytes_;
    uint64_t left = budget_->left;
    do {
      if (left < more) return false;
      if (tenant_ != nullptr && !tenant_->MayTake(more, left - more)) return false;
    } while (!budget_->left.compare_exchange_weak(left, left - more));
    if (tenant_ != nullptr) tenant_->Add(more);
  }
  bytes_ = bytes;
  return true;
}

ByteBudget::ByteBudget(uint64_t limit) : state_(std::make_shared<State>(limit)) {}

std::shared_ptr<ByteBudget::Tenant> ByteBudget::Admit() const {
  return std::make_shared<Tenant>(state_);
}

ByteBudget::Share ByteBudget::Begin(std::shared_ptr<Tenant> tenant) const {
  Share share;
  share.budget_ = state_;
  share.tenant_ = std::move(tenant);
  return share;
}

}  // namespace tiffin
