#include "gateway/dispatch/oom_kills.h"

#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::gateway {
namespace {

class OomKillsTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  uint64_t count_ = 3;
  int reads_ = 0;
  OomKills kills_{[this] {
                    ++reads_;
                    return count_;
                  },
                  clock_};
};

TEST_F(OomKillsTest, NowIsWhatIsCountedNow) {
  count_ = 4;

  EXPECT_EQ(kills_.now(), 4U);
}

TEST_F(OomKillsTest, BeforeLeavesOutWhatWasCountedAMomentAgo) {
  count_ = 4;
  EXPECT_EQ(kills_.before(), 3U);
  clock_.Advance(OomKills::kMoment);
  EXPECT_EQ(kills_.before(), 3U);
  count_ = 5;
  clock_.Advance(OomKills::kMoment);

  EXPECT_EQ(kills_.before(), 4U);
}

TEST_F(OomKillsTest, BeforeReadsOnceForAllWhoAsk) {
  clock_.Advance(OomKills::kMoment);
  const int before = reads_;

  for (int i = 0; i < 100; ++i) kills_.before();

  EXPECT_EQ(reads_, before + 1);
}

}  // namespace
}  // namespace tiffin::gateway
