#include "gateway/dispatch/runner_load.h"

#include <utility>

// The counts order nothing else, so all of it is relaxed.
namespace tiffin::gateway {

RunnerLoad::Place& RunnerLoad::Place::operator=(Place&& other) noexcept {
  Leave();
  load_ = std::exchange(other.load_, nullptr);
  replica_ = std::exchange(other.replica_, std::nullopt);
  return *this;
}

void RunnerLoad::Place::GoTo(size_t replica) {
  if (replica_.has_value()) load_->at_[*replica_].fetch_sub(1, std::memory_order_relaxed);
  replica_ = replica;
  load_->at_[replica].fetch_add(1, std::memory_order_relaxed);
}

void RunnerLoad::Place::Leave() {
  RunnerLoad* const load = std::exchange(load_, nullptr);
  if (load == nullptr) return;
  if (replica_.has_value()) load->at_[*replica_].fetch_sub(1, std::memory_order_relaxed);
  replica_.reset();
  load->calls_.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<RunnerLoad::Place> RunnerLoad::Enter() {
  int64_t calls = calls_.load(std::memory_order_relaxed);
  while (calls < limit_) {
    if (calls_.compare_exchange_weak(calls, calls + 1, std::memory_order_relaxed)) {
      return Place(*this);
    }
  }
  return std::nullopt;
}

RunnerLoad::Place RunnerLoad::EnterAgain() {
  calls_.fetch_add(1, std::memory_order_relaxed);
  return Place(*this);
}

}  // namespace tiffin::gateway
