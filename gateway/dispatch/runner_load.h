#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tiffin::gateway {

// How many calls of one runner are under way, on all loops together: its queue is bounded by that,
// and replicas are chosen by it. Thread-safe; outlives all places.
class RunnerLoad {
 public:
  // A call's place among them, until it is destroyed. Move-only.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    ~Place() { Leave(); }

    // From now on it counts for this replica.
    void GoTo(size_t replica);

   private:
    friend class RunnerLoad;
    explicit Place(RunnerLoad& load) : load_(&load) {}
    void Leave();

    RunnerLoad* load_ = nullptr;
    std::optional<size_t> replica_;
  };

  // As many places as there are replicas, and `queue_max` to wait.
  RunnerLoad(int replicas, int queue_max)
      : limit_(int64_t{replicas} + queue_max), at_(static_cast<size_t>(replicas)) {}

  int64_t limit() const { return limit_; }
  // Under way.
  int64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  // nullopt: all places are taken.
  std::optional<Place> Enter();
  // For a call that was given a place before, and is to be run again.
  Place EnterAgain();
  int64_t at(size_t replica) const { return at_[replica].load(std::memory_order_relaxed); }

 private:
  const int64_t limit_;
  std::atomic<int64_t> calls_ = 0;
  std::vector<std::atomic<int64_t>> at_;  // By replica.
};

}  // namespace tiffin::gateway
