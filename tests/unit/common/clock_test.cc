#include "common/clock.h"

#include <gtest/gtest.h>

namespace tiffin {
namespace {

TEST(ClockTest, MonotonicTimeIsNeverSetBack) {
  absl::Time last = Clock::Monotonic().Now();
  for (int i = 0; i < 1000; ++i) {
    const absl::Time now = Clock::Monotonic().Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(ClockTest, MonotonicTimeIsFiniteAndMoves) {
  const absl::Time start = Clock::Monotonic().Now();
  ASSERT_NE(start, absl::InfiniteFuture());
  absl::Time now = start;
  for (int i = 0; i < 10'000'000 && now == start; ++i) now = Clock::Monotonic().Now();
  EXPECT_GT(now, start);
}

}  // namespace
}  // namespace tiffin
