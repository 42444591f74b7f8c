#include "common/shm/segment_budget.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/shm/segment_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::shm {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kKiB = 1024;

class CountingSharer : public SegmentBudget::Sharer {
 public:
  void DropFree() override { ++asked; }
  int asked = 0;
};

TEST(SegmentBudgetTest, GivesNoMoreThanThereIs) {
  SegmentBudget budget(100);
  EXPECT_TRUE(budget.Take(60));
  EXPECT_FALSE(budget.Take(41));
  EXPECT_EQ(budget.left(), 40U);
  EXPECT_TRUE(budget.Take(40));
  budget.Return(60);
  EXPECT_TRUE(budget.Take(60));
}

TEST(SegmentBudgetTest, AsksAllButWhoAsks) {
  SegmentBudget budget(100);
  CountingSharer asker;
  CountingSharer other;
  CountingSharer gone;
  for (CountingSharer* sharer : {&asker, &other, &gone}) budget.Join(*sharer);
  budget.Leave(gone);

  budget.AskOthers(asker);

  EXPECT_EQ(asker.asked, 0);
  EXPECT_EQ(other.asked, 1);
  EXPECT_EQ(gone.asked, 0);
}

TEST(SegmentBudgetTest, ThreadsTogetherNeverTakeMore) {
  constexpr uint64_t kTotal = 10;
  SegmentBudget budget(kTotal);
  std::atomic<uint64_t> taken = 0;
  std::atomic<bool> too_much = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20'000; ++round) {
        if (!budget.Take(4)) continue;
        if (taken += 4; taken > kTotal) too_much = true;
        taken -= 4;
        budget.Return(4);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_FALSE(too_much);
  EXPECT_EQ(budget.left(), kTotal);
}

// Two pools that may have 16 KiB together.
class SharedPoolsTest : public testing::Test {
 protected:
  SegmentBudget budget_{16 * kKiB};
  const PoolLimits limits_{.first_segment = 8 * kKiB,
                           .largest_segment = 8 * kKiB,
                           .total = 16 * kKiB,
                           .shared = &budget_};
  std::optional<SegmentPool> first_{std::in_place, limits_, Clock::Monotonic()};
  SegmentPool second_{limits_, Clock::Monotonic()};
};

TEST_F(SharedPoolsTest, TogetherTheyHaveNoMoreThanTheBudget) {
  ASSERT_TRUE(first_->Allocate(4 * kKiB).ok());
  ASSERT_TRUE(second_.Allocate(4 * kKiB).ok());

  const absl::Status full = second_.Allocate(8 * kKiB).status();

  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_THAT(std::string(full.message()), HasSubstr("of which 0 are left"));
  first_.reset();  // Whatever is in it.
  EXPECT_EQ(budget_.left(), 8 * kKiB);
  EXPECT_TRUE(second_.Allocate(8 * kKiB).ok());
}

TEST_F(SharedPoolsTest, TheLastSegmentIsAsLargeAsWhatIsLeft) {
  ASSERT_TRUE(first_->Allocate(12 * kKiB).ok());  // Rounded up to a power of two: all there is.
  EXPECT_EQ(budget_.left(), 0U);
  EXPECT_FALSE(second_.Allocate(1).ok());
}

TEST_F(SharedPoolsTest, WhatIsFreeIsDroppedForTheOther) {
  const auto used = first_->Allocate(8 * kKiB);
  const auto freed = first_->Allocate(8 * kKiB);
  ASSERT_TRUE(used.ok() && freed.ok());
  EXPECT_THAT(first_->TakeNewSegments(), SizeIs(2));
  first_->Free(*freed);
  ASSERT_FALSE(second_.Allocate(8 * kKiB).ok());

  first_->DropFree();

  EXPECT_TRUE(second_.Allocate(8 * kKiB).ok());
  EXPECT_THAT(first_->DropIdle(), testing::ElementsAre(freed->segment));
  EXPECT_THAT(first_->DropIdle(), IsEmpty());
  first_->Free(*used);
}

}  // namespace
}  // namespace tiffin::shm
