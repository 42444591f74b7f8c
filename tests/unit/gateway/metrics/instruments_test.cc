#include "gateway/metrics/instruments.h"

#include <thread>
#include <utility>

#include "gtest/gtest.h"

namespace tiffin::gateway::metrics {
namespace {

constexpr std::array<int64_t, 3> kBounds = {10, 20, 50};

TEST(HistogramTest, AValueIsInTheFirstBucketThatHasRoomForIt) {
  Histogram histogram(kBounds);
  for (const int64_t value : {0, 10, 11, 50, 51}) histogram.Observe(value);
  EXPECT_EQ(histogram.count(0), 2);
  EXPECT_EQ(histogram.count(1), 1);
  EXPECT_EQ(histogram.count(2), 1);
  EXPECT_EQ(histogram.count(3), 1);
  EXPECT_EQ(histogram.sum(), 122);
}

TEST(HistogramTest, SeveralAlikeAreOneObservation) {
  Histogram histogram(kBounds);
  histogram.Observe(20, 3);
  EXPECT_EQ(histogram.count(1), 3);
  EXPECT_EQ(histogram.sum(), 60);
}

TEST(HistogramTest, DurationsAreNanosecondsAndNeverNegative) {
  Histogram histogram(kBounds);
  histogram.Observe(absl::Nanoseconds(15));
  histogram.Observe(absl::Nanoseconds(-15));
  EXPECT_EQ(histogram.count(0), 1);
  EXPECT_EQ(histogram.count(1), 1);
  EXPECT_EQ(histogram.sum(), 15);
}

TEST(HistogramTest, NothingIsLostBetweenThreads) {
  constexpr int kEach = 10000;
  Histogram histogram(kBounds);
  {
    const auto observe = [&] {
      for (int i = 0; i < kEach; ++i) histogram.Observe(1);
    };
    std::thread other(observe);
    observe();
    other.join();
  }
  EXPECT_EQ(histogram.count(0), 2 * kEach);
  EXPECT_EQ(histogram.sum(), 2 * kEach);
}

TEST(HeldTest, GivesBackOnceWhereverItWasMoved) {
  Gauge gauge;
  {
    Held first(gauge, 5);
    Held second = std::move(first);
    EXPECT_EQ(gauge.value(), 5);
    Held third;
    third = std::move(second);
    EXPECT_EQ(gauge.value(), 5);
    third = Held(gauge, 2);
    EXPECT_EQ(gauge.value(), 2);
    third = Held();
    EXPECT_EQ(gauge.value(), 0);
  }
  EXPECT_EQ(gauge.value(), 0);
}

}  // namespace
}  // namespace tiffin::gateway::metrics
