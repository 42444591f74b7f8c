#include "common/log/now_and_then.h"

#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::log {
namespace {

TEST(NowAndThenTest, ALineIsDueTheFirstTimeAndThenEveryTenSecondsWithTheCountSoFar) {
  ManualClock clock;
  NowAndThen refused(clock);

  EXPECT_EQ(refused.Count(), 1);
  EXPECT_EQ(refused.Count(), std::nullopt);
  clock.Advance(NowAndThen::kPause - absl::Milliseconds(1));
  EXPECT_EQ(refused.Count(), std::nullopt);
  clock.Advance(absl::Milliseconds(1));

  EXPECT_EQ(refused.Count(), 4);
  EXPECT_EQ(refused.Count(), std::nullopt);
}

}  // namespace
}  // namespace tiffin::log
