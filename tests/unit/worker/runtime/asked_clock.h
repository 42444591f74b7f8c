#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::worker {

// Tells how often it was asked.
class AskedClock : public ManualClock {
 public:
  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    ++asked_;
    return ManualClock::Now();
  }
  // Until that many more have asked.
  void Await(int more) const {
    absl::MutexLock lock(&mutex_);
    const int wanted = asked_ + more;
    const auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return asked_ >= wanted; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20)));
  }

 private:
  mutable absl::Mutex mutex_;
  mutable int asked_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tiffin::worker
