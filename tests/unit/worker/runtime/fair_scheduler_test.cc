#include "worker/runtime/fair_scheduler.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

class FairSchedulerTest : public ::testing::Test {
 protected:
  void Join(uint64_t gateway, int calls = 1) {
    for (int i = 0; i < calls; ++i) scheduler_.Join(gateway);
  }
  // Whose turn it is.
  void Execute(uint64_t gateway, int64_t rows = 1) {
    scheduler_.Serve(gateway, rows, FairScheduler::Place::kLeads);
  }
  // Both have more waiting.
  void FillBatchesOfBWithA() {
    Join(kA, 1000);
    Join(kB, 1000);
    for (int i = 0; i < 100; ++i) {
      Execute(kB);
      for (int j = 0; j < 8; ++j) scheduler_.Serve(kA, 1, FairScheduler::Place::kJoins);
    }
  }
  uint64_t Turn(uint64_t gateway) const { return scheduler_.start_tag(gateway); }

  static constexpr int64_t kMostRows = 32;  // Of a batch.
  static constexpr uint64_t kA = 1;
  static constexpr uint64_t kB = 2;
  FairScheduler scheduler_{kMostRows};
};

TEST_F(FairSchedulerTest, WhoWasServedLessIsNext) {
  Join(kA, 100);
  Join(kB, 2);
  EXPECT_EQ(Turn(kA), Turn(kB));
  Execute(kA);
  EXPECT_LT(Turn(kB), Turn(kA));
  Execute(kB);
  EXPECT_EQ(Turn(kA), Turn(kB));
}

TEST_F(FairSchedulerTest, RowsAreCountedAndNotCalls) {
  Join(kA, 100);
  Join(kB, 100);
  Execute(kA, 32);
  for (int i = 0; i < 32; ++i) {
    EXPECT_LT(Turn(kB), Turn(kA));
    Execute(kB);
  }
  EXPECT_EQ(Turn(kA), Turn(kB));
}

TEST_F(FairSchedulerTest, WhoComesLaterBeginsLevel) {
  Join(kA, 100);
  for (int i = 0; i < 50; ++i) Execute(kA);
  Join(kB, 2);
  EXPECT_LT(Turn(kB), Turn(kA)) << "the last call was a's";
  Execute(kB);
  EXPECT_EQ(Turn(kB), Turn(kA)) << "and 50 turns aren't made up for";
}

TEST_F(FairSchedulerTest, OneCallAtATimeIsWorthNoMoreThanItsRows) {
  Join(kA, 100);
  Join(kB);
  Execute(kB, 32);
  Join(kB);
  for (int i = 0; i < 32; ++i) {
    EXPECT_LT(Turn(kA), Turn(kB));
    Execute(kA);
  }
  EXPECT_EQ(Turn(kA), Turn(kB));
}

TEST_F(FairSchedulerTest, CallsThatAreNeverExecutedCostNothing) {
  Join(kA, 100);
  Join(kB, 100);
  for (int i = 0; i < 90; ++i) scheduler_.Leave(kA);
  EXPECT_EQ(Turn(kA), Turn(kB));
}

TEST_F(FairSchedulerTest, WhatJoinsBatchesOfOthersCostsNoMoreThanABatch) {
  FillBatchesOfBWithA();
  EXPECT_LE(Turn(kA), Turn(kB) + kMostRows);
}

TEST_F(FairSchedulerTest, WhoComesLaterIsNotBehindThoseWhoJoinedBatches) {
  FillBatchesOfBWithA();
  constexpr uint64_t kNew = 3;
  Join(kNew);
  EXPECT_LE(Turn(kNew), Turn(kB));
}

TEST_F(FairSchedulerTest, WhatWasExecutedWhileNobodyCompetedIsNotOwed) {
  Join(kA);
  Join(kB);
  Execute(kB);
  Execute(kA, 32);
  Join(kB);
  Join(kA);
  EXPECT_EQ(Turn(kA), Turn(kB));
}

TEST_F(FairSchedulerTest, HoweverTheyComeAndGoTheyGetAsMuchAsEachOther) {
  std::mt19937 random(1);
  constexpr uint64_t kBusy = 4;    // These always have calls waiting.
  constexpr int64_t kLargest = 8;  // Rows of a call.
  std::vector<int> waiting(kBusy + 1);
  std::vector<int64_t> rows(kBusy + 1);  // Executed.
  for (int step = 0; step < 20'000; ++step) {
    for (uint64_t gateway = 0; gateway <= kBusy; ++gateway) {
      if (gateway == kBusy && step % 100 != 0) continue;
      for (; waiting[gateway] < 3; ++waiting[gateway]) scheduler_.Join(gateway);
    }
    uint64_t next = 0;
    for (uint64_t gateway = 1; gateway <= kBusy; ++gateway) {
      if (waiting[gateway] > 0 && Turn(gateway) < Turn(next)) next = gateway;
    }
    --waiting[next];
    if (random() % 4 == 0) {
      scheduler_.Leave(next);
      continue;
    }
    const auto of_call = static_cast<int64_t>(1 + random() % kLargest);
    Execute(next, of_call);
    rows[next] += of_call;
    const auto [least, most] = std::minmax_element(rows.begin(), rows.end() - 1);
    ASSERT_LE(*most - *least, kLargest) << "at step " << step;
  }
  EXPECT_GT(rows[kBusy], 0);
}

}  // namespace
}  // namespace tiffin::worker
