#include "gateway/dispatch/segments.h"

#include <cstddef>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::gateway {
namespace {

using ::testing::SizeIs;

constexpr uint64_t kSegment = 64 << 10;

// The memories of two loops, which may have two segments together.
class SharedMemoryTest : public ::testing::Test {
 protected:
  const std::vector<std::byte> bytes_ = std::vector<std::byte>(kSegment / 2);
  ManualClock clock_;
  shm::SegmentBudget budget_{2 * kSegment};
  const shm::PoolLimits limits_{.first_segment = kSegment,
                                .largest_segment = kSegment,
                                .total = 2 * kSegment,
                                .shared = &budget_};
  metrics::GatewayMetrics metrics_;
  SegmentNames names_[2];
  GatewayMemory first_{limits_, clock_, names_[0], metrics_};
  GatewayMemory second_{limits_, clock_, names_[1], metrics_};
};

TEST_F(SharedMemoryTest, TheLimitIsForAllLoopsTogether) {
  std::vector<std::shared_ptr<const SegmentBuffer>> kept;
  for (int i = 0; i < 2; ++i) {
    kept.push_back(first_.CopyToSegment(bytes_).value());
    kept.push_back(second_.CopyToSegment(bytes_).value());
  }

  EXPECT_TRUE(absl::IsResourceExhausted(first_.CopyToSegment(bytes_).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(second_.CopyToSegment(bytes_).status()));
  EXPECT_EQ(metrics_.segment_bytes.value(), static_cast<int64_t>(2 * kSegment));
  kept.clear();
  EXPECT_EQ(metrics_.tensor_bytes.value(), 0);
}

TEST_F(SharedMemoryTest, WhatOneLoopHasFreeMakesRoomForAnother) {
  std::vector<uint64_t> gone;
  names_[0].Listen([&](uint64_t id) { gone.push_back(id); });
  std::vector<std::shared_ptr<const SegmentBuffer>> values;
  for (int i = 0; i < 4; ++i) values.push_back(first_.CopyToSegment(bytes_).value());
  ASSERT_FALSE(second_.CopyToSegment(bytes_).ok());

  values.resize(2);

  EXPECT_TRUE(second_.CopyToSegment(bytes_).ok());
  first_.DropIdle();  // Its own loop tells of the segment.
  EXPECT_THAT(gone, SizeIs(1));
  EXPECT_EQ(values[0]->segment().size, kSegment);
}

TEST_F(SharedMemoryTest, LoopsTakeAndGiveBackAtTheSameTime) {
  std::vector<std::thread> loops;
  for (GatewayMemory* memory : {&first_, &second_}) {
    loops.emplace_back([this, memory] {
      int succeeded = 0;
      for (int round = 0; round < 500; ++round) {
        const auto value = memory->CopyToSegment(bytes_);
        if (value.ok()) ++succeeded;
        if (round % 10 == 0) memory->DropIdle();
      }
      EXPECT_EQ(succeeded, 500) << "each needs one segment, and there are two";
    });
  }
  for (std::thread& loop : loops) loop.join();

  EXPECT_EQ(first_.allocated_bytes() + second_.allocated_bytes(), 0U);
}

}  // namespace
}  // namespace tiffin::gateway
