#include "gateway/resources/budget.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(BudgetTest, IsTheAffinityWhereNothingElseLimits) {
  const CoreBudget budget = MakeCoreBudget({.affinity = 4, .quota = std::nullopt}, std::nullopt);
  EXPECT_EQ(budget.cores, 4);
  EXPECT_EQ(budget.why, "affinity");
}

TEST(BudgetTest, IsTheQuotaWhereThatIsLess) {
  const CoreBudget budget = MakeCoreBudget({.affinity = 4, .quota = 1.5}, std::nullopt);
  EXPECT_EQ(budget.cores, 1.5);
  EXPECT_EQ(budget.why, "the cgroup's cpu.max");
  EXPECT_EQ(MakeCoreBudget({.affinity = 2, .quota = 8}, std::nullopt).cores, 2);
}

TEST(BudgetTest, IsWhatTheUserSaysEvenIfThereIsLess) {
  const CoreBudget budget = MakeCoreBudget({.affinity = 4, .quota = 1.5}, 6.5);
  EXPECT_EQ(budget.cores, 6.5);
  EXPECT_EQ(budget.why, "--cpus; there are 1.5 by the cgroup's cpu.max");
}

TEST(BudgetTest, HasOneWholeCoreAtLeast) {
  EXPECT_EQ(MakeCoreBudget({.affinity = 4, .quota = 0.5}, std::nullopt).WholeCores(), 1);
  EXPECT_EQ(MakeCoreBudget({.affinity = 4, .quota = 2.9}, std::nullopt).WholeCores(), 2);
}

TEST(BudgetTest, ThisMachineHasACore) { EXPECT_GE(ReadCoreLimits().affinity, 1); }

}  // namespace
}  // namespace tiffin::gateway
