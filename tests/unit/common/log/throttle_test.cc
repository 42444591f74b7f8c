#include "common/log/throttle.h"

#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::log {
namespace {

TEST(ThrottleTest, ALineIsDueTheFirstTimeAndThenEveryTenSecondsWithTheCountSoFar) {
  ManualClock clock;
  Throttle refused(clock);

  EXPECT_EQ(refused.Count(), 1);
  EXPECT_EQ(refused.Count(), std::nullopt);
  clock.Advance(Throttle::kPause - absl::Milliseconds(1));
  EXPECT_EQ(refused.Count(), std::nullopt);
  clock.Advance(absl::Milliseconds(1));

  EXPECT_EQ(refused.Count(), 4);
  EXPECT_EQ(refused.Count(), std::nullopt);
}

}  // namespace
}  // namespace tiffin::log
