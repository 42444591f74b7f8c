#include "worker/runtime/cost_model.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

using ::testing::DoubleNear;

constexpr int kMany = 200;

double Us(absl::Duration duration) { return absl::ToDoubleMicroseconds(duration); }

void Measure(CostModel& model, int64_t rows, double us) { model.Add(rows, absl::Microseconds(us)); }

TEST(CostModelTest, NothingMeasuredCostsNothing) {
  const CostModel model;
  EXPECT_EQ(model.fixed(), absl::ZeroDuration());
  EXPECT_EQ(model.Predict(32), absl::ZeroDuration());
}

TEST(CostModelTest, FindsTheFixedCostAndTheRows) {
  CostModel model;
  for (int i = 0; i < kMany; ++i) Measure(model, 1 + i % 8, 300 + 20.0 * (1 + i % 8));

  EXPECT_THAT(Us(model.fixed()), DoubleNear(300, 0.1));
  EXPECT_THAT(Us(model.per_row()), DoubleNear(20, 0.1));
  EXPECT_THAT(Us(model.Predict(32)), DoubleNear(940, 1));
}

TEST(CostModelTest, RowsThatNeverVarySaveNothing) {
  CostModel model;
  for (int i = 0; i < kMany; ++i) Measure(model, 4, i % 2 == 0 ? 390 : 410);

  EXPECT_EQ(model.fixed(), absl::ZeroDuration());
  EXPECT_THAT(Us(model.Predict(4)), DoubleNear(400, 5));
}

TEST(CostModelTest, FollowsACostThatChanges) {
  CostModel model;
  for (int i = 0; i < kMany; ++i) Measure(model, 1 + i % 8, 300 + 20.0 * (1 + i % 8));

  for (int i = 0; i < kMany; ++i) Measure(model, 1 + i % 8, 5000 + 100.0 * (1 + i % 8));

  EXPECT_THAT(Us(model.fixed()), DoubleNear(5000, 50));
  EXPECT_THAT(Us(model.per_row()), DoubleNear(100, 5));
}

TEST(CostModelTest, OneStrayExecutionChangesLittle) {
  CostModel model;
  for (int i = 0; i < kMany; ++i) Measure(model, 1 + i % 8, 300 + 20.0 * (1 + i % 8));

  Measure(model, 1, 100'000);

  EXPECT_LT(Us(model.Predict(4)), 2 * 380);
}

TEST(CostModelTest, NeitherPartIsEverNegative) {
  CostModel shrinking;
  for (int i = 0; i < kMany; ++i) Measure(shrinking, 1 + i % 8, 900 - 100.0 * (i % 8));
  EXPECT_EQ(shrinking.per_row(), absl::ZeroDuration());
  EXPECT_GT(shrinking.fixed(), absl::ZeroDuration());

  CostModel growing;
  for (int i = 0; i < kMany; ++i) Measure(growing, 1 + i % 8, 10.0 * (1 + i % 8) * (1 + i % 8));
  EXPECT_EQ(growing.fixed(), absl::ZeroDuration());
  EXPECT_GT(growing.per_row(), absl::ZeroDuration());
}

TEST(CostModelTest, ExecutionsThatTakeNoTimeDoNotHideLaterOnes) {
  CostModel model;
  for (int i = 0; i < 20; ++i) Measure(model, 1 + i % 2, 0);

  for (int i = 0; i < kMany; ++i) Measure(model, 1 + i % 2, 100);

  EXPECT_THAT(Us(model.Predict(1)), DoubleNear(100, 10));
}

TEST(CostModelTest, SeesThroughNoise) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::lognormal_distribution<double> noise(0, 0.2);
    std::uniform_int_distribution<int64_t> rows(1, 16);
    CostModel model;
    for (int i = 0; i < kMany; ++i) {
      const int64_t n = rows(random);
      Measure(model, n, (1000 + 50.0 * static_cast<double>(n)) * noise(random));
    }
    EXPECT_THAT(Us(model.Predict(8)), DoubleNear(1400, 350));
    EXPECT_GT(Us(model.fixed()), 400);
  }
}

}  // namespace
}  // namespace tiffin::worker
