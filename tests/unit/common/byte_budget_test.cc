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

TEST(ByteBudgetTest, ALoneTenantMayHaveAll) {
  const ByteBudget budget(100);
  const ByteBudget::Tenant alone(budget);
  ByteBudget::Share one = alone.Begin();
  ByteBudget::Share other = alone.Begin();
  EXPECT_TRUE(one.Resize(70));
  EXPECT_TRUE(other.Resize(30));
  EXPECT_FALSE(other.Resize(31));
}

TEST(ByteBudgetTest, OfSeveralTenantsNoneGrowsBeyondWhatItLeaves) {
  const ByteBudget budget(100);
  const ByteBudget::Tenant greedy(budget);
  const ByteBudget::Tenant modest(budget);
  ByteBudget::Share one = greedy.Begin();
  ByteBudget::Share more = greedy.Begin();
  EXPECT_TRUE(one.Resize(30));
  EXPECT_FALSE(more.Resize(21));
  EXPECT_TRUE(more.Resize(20));

  ByteBudget::Share other = modest.Begin();
  EXPECT_TRUE(other.Resize(25));
  EXPECT_FALSE(other.Resize(26)) << "it has something now";
  one.Resize(0);
  EXPECT_TRUE(other.Resize(40));
}

TEST(ByteBudgetTest, ATenantWithNothingMayTakeWhatIsLeft) {
  const ByteBudget budget(100);
  const ByteBudget::Tenant first(budget);
  const ByteBudget::Tenant second(budget);
  ByteBudget::Share large = first.Begin();
  EXPECT_TRUE(large.Resize(90));
  ByteBudget::Share small = second.Begin();
  EXPECT_FALSE(small.Resize(11));
  EXPECT_TRUE(small.Resize(10));
}

TEST(ByteBudgetTest, ATenantThatLeavesNoLongerCompetesButItsSharesCount) {
  const ByteBudget budget(100);
  const ByteBudget::Tenant stays(budget);
  ByteBudget::Share of_other;
  {
    const ByteBudget::Tenant leaves(budget);
    of_other = leaves.Begin();
    EXPECT_TRUE(of_other.Resize(40));
  }
  ByteBudget::Share share = stays.Begin();
  EXPECT_TRUE(share.Resize(40));
  EXPECT_TRUE(share.Resize(60));
  EXPECT_FALSE(share.Resize(61));
  of_other.Resize(0);
  EXPECT_TRUE(share.Resize(100));
}

}  // namespace
}  // namespace tiffin
