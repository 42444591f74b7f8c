#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tiffin::shm {

// The bytes that several pools of a process may have in segments together. Thread-safe; outlives
// the pools.
class SegmentBudget {
 public:
  // Who has one of the pools.
  class Sharer {
   public:
    virtual ~Sharer() = default;
    // Drops the segments that nothing is in. From any thread, with the budget's lock held.
    virtual void DropFree() = 0;
  };

  explicit SegmentBudget(uint64_t total) : left_(total) {}

  uint64_t left() const { return left_; }
  // False: so many are not left, and none are taken.
  [[nodiscard]] bool Take(uint64_t bytes);
  void Return(uint64_t bytes) { left_ += bytes; }

  void Join(Sharer& sharer);
  void Leave(Sharer& sharer);
  // Has all but `asker` drop what they don't need. Not with a lock held that DropFree takes.
  void AskOthers(const Sharer& asker);

 private:
  std::atomic<uint64_t> left_;
  absl::Mutex mutex_;
  std::vector<Sharer*> sharers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::shm
