#include "tests/bench/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace tiffin::bench {
namespace {

using testing::ElementsAre;

constexpr double kRate = 500;
constexpr absl::Duration kDuration = absl::Seconds(100);

std::vector<double> GapsOf(const std::vector<absl::Duration>& times) {
  std::vector<double> gaps;
  for (size_t i = 1; i < times.size(); ++i) {
    gaps.push_back(absl::ToDoubleSeconds(times[i] - times[i - 1]));
  }
  return gaps;
}

TEST(PoissonArrivalsTest, AreAscendingAtTheRateBeforeTheEnd) {
  const std::vector<absl::Duration> times = PoissonArrivals(kRate, kDuration, 1);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_LT(times.back(), kDuration);
  // The count's standard deviation is 224.
  EXPECT_NEAR(static_cast<double>(times.size()), 50'000, 1'000);
}

TEST(PoissonArrivalsTest, HaveGapsOfAnExponentialDistribution) {
  const std::vector<double> gaps = GapsOf(PoissonArrivals(kRate, kDuration, 2));
  const auto beyond = [&](double means) {
    const auto count =
        std::count_if(gaps.begin(), gaps.end(), [&](double gap) { return gap > means / kRate; });
    return static_cast<double>(count) / static_cast<double>(gaps.size());
  };
  for (const double means : {0.1, 0.5, 1.0, 2.0, 4.0}) {
    EXPECT_NEAR(beyond(means), std::exp(-means), 0.01) << means;
  }
}

TEST(PoissonArrivalsTest, AreTheSameForASeedAndOthersForAnother) {
  EXPECT_EQ(PoissonArrivals(kRate, kDuration, 3), PoissonArrivals(kRate, kDuration, 3));
  EXPECT_NE(PoissonArrivals(kRate, kDuration, 3), PoissonArrivals(kRate, kDuration, 4));
}

TEST(PhasedArrivalsTest, EachPhaseHasItsRateAndItsTime) {
  const std::vector<Phase> phases = {{.rate = kRate, .duration = absl::Seconds(10)},
                                     {.rate = 10 * kRate, .duration = absl::Seconds(10)}};

  const std::vector<absl::Duration> times = PhasedArrivals(phases, 1);

  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_LT(times.back(), absl::Seconds(20));
  const auto in_first = std::count_if(times.begin(), times.end(),
                                      [](absl::Duration time) { return time < absl::Seconds(10); });
  EXPECT_NEAR(static_cast<double>(in_first), 5'000, 400);
  EXPECT_NEAR(static_cast<double>(times.size()), 55'000, 1'200);
}

TEST(BurstArrivalsTest, ComeAllAtOnceAtTheRate) {
  EXPECT_THAT(
      BurstArrivals(20, 2, absl::Milliseconds(250)),
      ElementsAre(absl::ZeroDuration(), absl::ZeroDuration(), absl::Milliseconds(100),
                  absl::Milliseconds(100), absl::Milliseconds(200), absl::Milliseconds(200)));
}

}  // namespace
}  // namespace tiffin::bench
