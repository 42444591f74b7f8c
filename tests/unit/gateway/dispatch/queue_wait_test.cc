#include "gateway/dispatch/queue_wait.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

constexpr absl::Duration kTime = absl::Milliseconds(10);

class QueueWaitTest : public ::testing::Test {
 protected:
  // `count` calls leave, a time `gap` apart, while there are always `waiting`.
  void WorkOff(size_t waiting, int count, absl::Duration gap) {
    for (int i = 0; i < count; ++i) {
      now_ += gap;
      wait_.Leave(waiting, now_);
    }
  }
  absl::Duration Predict(size_t waiting) const { return wait_.Predict(waiting, now_); }
  // For `waiting` before it and itself, each taking `gap`.
  static absl::Duration Told(int waiting, absl::Duration gap) {
    return waiting * gap + waiting * gap / QueueWait::kMargin + gap;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  QueueWait wait_;
};

TEST_F(QueueWaitTest, KnowsNothingAtFirst) {
  wait_.Join(0, now_);
  WorkOff(100, QueueWait::kLeastMeasurements - 1, kTime);

  EXPECT_EQ(Predict(99), absl::ZeroDuration());
}

TEST_F(QueueWaitTest, IsTheLengthTimesTheGapWithAMargin) {
  wait_.Join(0, now_);
  WorkOff(100, 20, kTime);

  EXPECT_EQ(Predict(99), Told(99, kTime));
  EXPECT_EQ(Predict(79), Told(79, kTime));
}

// Calls that come all the time to a queue that takes what has the time: each, as a share of its
// wait, takes up to a tenth more or less than the mean.
TEST_F(QueueWaitTest, WhoIsLetInIsOnTimeThoughPacesVary) {
  const absl::Duration time_left = 50 * kTime;
  wait_.Join(0, now_);
  WorkOff(40, 20, kTime);
  size_t waiting = 0;
  while (Predict(waiting) <= time_left) ++waiting;

  EXPECT_LE(1.1 * static_cast<double>(waiting) * kTime, time_left);
  EXPECT_GE(static_cast<double>(waiting) * kTime, 0.85 * time_left) << "nor is time given away";
}

TEST_F(QueueWaitTest, WhoWaitsForNobodyHasNoMargin) {
  wait_.Join(0, now_);
  WorkOff(1, 20, kTime);

  EXPECT_EQ(Predict(0), kTime);
}

// A surge that was too much is over: the queue that was measured is longer than any that should be.
TEST_F(QueueWaitTest, AShorterQueueIsNoFasterThanALongerOne) {
  wait_.Join(0, now_);
  WorkOff(200, 20, kTime);

  EXPECT_EQ(Predict(20), Told(20, kTime));
}

TEST_F(QueueWaitTest, ConcludesNothingFromAShorterQueueAboutALongerOne) {
  wait_.Join(0, now_);
  WorkOff(1, 20, kTime);

  EXPECT_EQ(Predict(0), kTime);
  EXPECT_EQ(Predict(31), absl::ZeroDuration()) << "they may be executed together";
}

TEST_F(QueueWaitTest, CallsThatLeaveTogetherShareAGap) {
  wait_.Join(0, now_);
  for (int batch = 0; batch < 10; ++batch) {
    WorkOff(64, 1, 8 * kTime);
    WorkOff(64, 7, absl::ZeroDuration());
  }

  EXPECT_NEAR(absl::FDivDuration(Predict(63), 64 * kTime), 1, 0.35);
}

TEST_F(QueueWaitTest, IdleTimeCountsForNothing) {
  wait_.Join(0, now_);
  WorkOff(1, 20, kTime);
  now_ += absl::Milliseconds(500);
  wait_.Join(0, now_);
  WorkOff(1, 1, kTime);

  EXPECT_EQ(Predict(0), kTime);
}

TEST_F(QueueWaitTest, ForgetsWhatIsLongAgo) {
  wait_.Join(0, now_);
  WorkOff(100, 20, kTime);
  now_ += QueueWait::kBelieved + kTime;
  EXPECT_EQ(Predict(99), absl::ZeroDuration());

  wait_.Join(0, now_);
  WorkOff(100, 20, 2 * kTime);
  EXPECT_EQ(Predict(99), Told(99, 2 * kTime));
}

}  // namespace
}  // namespace tiffin::gateway
