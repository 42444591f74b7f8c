#include "common/byte_budget.h"

#include <optional>
#include <utility>

#include "gtest/gtest.h"

namespace tiffin {
namespace {

TEST(ByteBudgetTest, SharesAreWithinTheLimitAndGivenBack) {
  const ByteBudget budget(100);
  std::optional<ByteBudget::Share> one = budget.Begin();
  ByteBudget::Share other = budget.Begin();
  EXPECT_TRUE(one->Resize(60));
  EXPECT_FALSE(other.Resize(41));
  EXPECT_TRUE(other.Resize(40));
  EXPECT_TRUE(one->Resize(10));
  EXPECT_TRUE(other.Resize(90));
  EXPECT_FALSE(one->Resize(11));

  one.reset();

  EXPECT_TRUE(other.Resize(100));
}

TEST(ByteBudgetTest, AMovedShareHasNothing) {
  const ByteBudget budget(100);
  ByteBudget::Share from = budget.Begin();
  EXPECT_TRUE(from.Resize(100));
  {
    const ByteBudget::Share to = std::move(from);
    EXPECT_FALSE(budget.Begin().Resize(1));
  }
  EXPECT_TRUE(budget.Begin().Resize(100));
}

TEST(ByteBudgetTest, AShareOutlastsItsBudget) {
  ByteBudget::Share share;
  {
    const ByteBudget budget(100);
    share = budget.Begin();
  }
  EXPECT_TRUE(share.Resize(100));
}

}  // namespace
}  // namespace tiffin
