#include "worker/runtime/arrivals.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

constexpr absl::Duration kFixed = absl::Milliseconds(1);
constexpr absl::Duration kRow = absl::Microseconds(10);

// A model of that cost.
CostModel Cost(absl::Duration fixed, absl::Duration row) {
  CostModel cost;
  for (int64_t i = 0; i < 100; ++i) {
    const int64_t rows = 1 + i % 4;
    cost.Add(rows, fixed + rows * row);
  }
  return cost;
}

// Calls of one row that came one after the other.
class Stream {
 public:
  void Come(absl::Duration gap) {
    now_ += gap;
    arrivals_.Add(now_, 1);
  }
  // `passed` after the last one.
  absl::Duration BestWait(int64_t calls, absl::Duration passed = absl::ZeroDuration(),
                          const CostModel& cost = Cost(kFixed, kRow)) const {
    return arrivals_.BestWait(cost, calls, now_ + passed);
  }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1000);
  Arrivals arrivals_;
};

// Bursts of `count` calls, 5 us apart, every `period`; ends with the first of a burst.
Stream Bursts(int count, absl::Duration period) {
  Stream stream;
  for (int burst = 0; burst < 40; ++burst) {
    stream.Come(period);
    for (int i = 1; i < count && burst < 39; ++i) stream.Come(absl::Microseconds(5));
  }
  return stream;
}

TEST(ArrivalsTest, WithoutAPastNothingIsWaitedFor) {
  Stream stream;
  EXPECT_EQ(stream.BestWait(1), absl::ZeroDuration());
  for (int i = 0; i < 5; ++i) stream.Come(absl::Microseconds(1));
  EXPECT_EQ(stream.BestWait(1), absl::ZeroDuration());
}

TEST(ArrivalsTest, ACallThatSoonFollowsIsWaitedFor) {
  const Stream stream = Bursts(8, absl::Milliseconds(3));
  EXPECT_GT(stream.BestWait(1), absl::ZeroDuration());
  EXPECT_LT(stream.BestWait(1), kFixed / 2) << "longer than can pay";
}

TEST(ArrivalsTest, WhatComesLaterThanItSavesIsNotWaitedFor) {
  // One client, which sends when it has its answer: nothing comes before the execution has ended.
  Stream stream;
  for (int i = 0; i < 100; ++i) stream.Come(kFixed + kRow + absl::Microseconds(100));
  EXPECT_EQ(stream.BestWait(1), absl::ZeroDuration());
}

TEST(ArrivalsTest, ASecondClientIsWaitedForWhenItsCallIsDue) {
  // Two clients in turns: while one's call executes the other's comes.
  Stream stream;
  for (int i = 0; i < 100; ++i) stream.Come(kFixed);
  EXPECT_EQ(stream.BestWait(1), absl::ZeroDuration());
  EXPECT_GT(stream.BestWait(1, kFixed - absl::Microseconds(100)), absl::ZeroDuration());
}

TEST(ArrivalsTest, TheMoreWaitTheLessItPays) {
  Stream stream;
  for (int i = 0; i < 100; ++i) stream.Come(absl::Microseconds(100));
  // Timers included, the next call costs each of those that wait 160 us and its row.
  EXPECT_GT(stream.BestWait(1), absl::ZeroDuration());
  EXPECT_GT(stream.BestWait(4), absl::ZeroDuration());
  EXPECT_EQ(stream.BestWait(6), absl::ZeroDuration());
}

TEST(ArrivalsTest, ACheapModelNeverWaits) {
  const Stream stream = Bursts(8, absl::Milliseconds(3));
  EXPECT_EQ(stream.BestWait(1, absl::ZeroDuration(), Cost(absl::Microseconds(100), kRow)),
            absl::ZeroDuration());
}

TEST(ArrivalsTest, AModelWithoutAFixedCostNeverWaits) {
  const Stream stream = Bursts(8, absl::Milliseconds(3));
  EXPECT_EQ(stream.BestWait(1, absl::ZeroDuration(), Cost(absl::ZeroDuration(), kFixed)),
            absl::ZeroDuration());
}

TEST(ArrivalsTest, TheEndOfABurstIsSeen) {
  const Stream stream = Bursts(8, absl::Milliseconds(3));
  // What comes within a burst has come by now; the next is too far away.
  EXPECT_EQ(stream.BestWait(1, absl::Microseconds(100)), absl::ZeroDuration());
}

TEST(ArrivalsTest, FewCallsThatComeByChanceAreNotWaitedFor) {
  // At a tenth of what the model can do, calls come one by one, now and then closer together.
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::exponential_distribution<double> gap(0.1);  // In units of the fixed cost.
    Stream stream;
    absl::Duration waited;
    constexpr int kCalls = 1000;
    for (int i = 0; i < kCalls; ++i) {
      stream.Come(gap(random) * kFixed);
      waited += stream.BestWait(1);
    }
    EXPECT_LT(waited, kCalls * kFixed / 20);
  }
}

}  // namespace
}  // namespace tiffin::worker
