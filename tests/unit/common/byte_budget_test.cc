#include "common/byte_budget.h"

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

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
  const auto alone = budget.Admit();
  ByteBudget::Share one = budget.Begin(alone);
  ByteBudget::Share other = budget.Begin(alone);
  EXPECT_TRUE(one.Resize(70));
  EXPECT_TRUE(other.Resize(30));
  EXPECT_FALSE(other.Resize(31));
}

TEST(ByteBudgetTest, OfSeveralTenantsNoneGrowsBeyondWhatItLeaves) {
  const ByteBudget budget(100);
  const auto greedy = budget.Admit();
  const auto modest = budget.Admit();
  ByteBudget::Share one = budget.Begin(greedy);
  ByteBudget::Share more = budget.Begin(greedy);
  EXPECT_TRUE(one.Resize(30));
  EXPECT_FALSE(more.Resize(21));
  EXPECT_TRUE(more.Resize(20));

  ByteBudget::Share other = budget.Begin(modest);
  EXPECT_TRUE(other.Resize(25));
  EXPECT_FALSE(other.Resize(26)) << "it has something now";
  one.Resize(0);
  EXPECT_TRUE(other.Resize(40));
}

TEST(ByteBudgetTest, ATenantsFirstShareMayBeAllThatIsLeft) {
  const ByteBudget budget(100);
  const auto first = budget.Admit();
  const auto second = budget.Admit();
  ByteBudget::Share large = budget.Begin(first);
  EXPECT_TRUE(large.Resize(90));
  ByteBudget::Share small = budget.Begin(second);
  EXPECT_FALSE(small.Resize(11));
  EXPECT_TRUE(small.Resize(10));
}

TEST(ByteBudgetTest, ATenantCompetesAsLongAsItHasShares) {
  const ByteBudget budget(100);
  const auto stays = budget.Admit();
  auto leaves = budget.Admit();
  ByteBudget::Share of_other = budget.Begin(leaves);
  EXPECT_TRUE(of_other.Resize(20));
  leaves.reset();
  ByteBudget::Share share = budget.Begin(stays);
  EXPECT_TRUE(share.Resize(40));
  EXPECT_FALSE(share.Resize(41));
  of_other = ByteBudget::Share();
  EXPECT_TRUE(share.Resize(100));
}

// Each pair of threads is one tenant.
TEST(ByteBudgetTest, ThreadsGiveBackAllThatTheyTook) {
  constexpr uint64_t kLimit = 1000;
  const ByteBudget budget(kLimit);
  {
    const std::vector<std::shared_ptr<ByteBudget::Tenant>> tenants = {budget.Admit(),
                                                                      budget.Admit()};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, tenant = tenants[i / 2], i] {
        for (uint64_t size = 1; size < 20'000; ++size) {
          ByteBudget::Share share = budget.Begin(tenant);
          share.Resize((size * (i + 3)) % kLimit);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ByteBudget::Share share = budget.Begin(tenants[0]);
    EXPECT_TRUE(share.Resize(kLimit)) << "both tenants have nothing";
  }
  EXPECT_TRUE(budget.Begin().Resize(kLimit));
}

}  // namespace
}  // namespace tiffin
