#include "common/shm/segment_pool.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/shm/open_descriptors.h"

namespace tiffin::shm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kKiB = 1024;

class ManualClock : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration step) { now_ += step; }

 private:
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
};

// The default limits, a thousand times smaller: 4 KiB, 8, ... 64; 1 MiB in all.
constexpr PoolLimits kSmall = {.first_segment = 4 * kKiB,
                               .largest_segment = 64 * kKiB,
                               .total = 1024 * kKiB,
                               .idle = absl::Seconds(10)};

class SegmentPoolTest : public testing::Test {
 protected:
  Allocation Allocate(uint64_t size) {
    absl::StatusOr<Allocation> allocation = pool_->Allocate(size);
    EXPECT_TRUE(allocation.ok()) << allocation.status();
    return allocation.ok() ? *allocation : Allocation{};
  }
  void LimitTo(uint64_t total) {
    PoolLimits limits = kSmall;
    limits.total = total;
    pool_.emplace(limits, clock_);
  }

  ManualClock clock_;
  std::optional<SegmentPool> pool_{std::in_place, kSmall, clock_};
};

std::vector<uint64_t> Indices(const std::vector<SegmentPool::NewSegment>& segments) {
  std::vector<uint64_t> indices;
  for (const SegmentPool::NewSegment& segment : segments) indices.push_back(segment.index);
  return indices;
}

std::vector<uint64_t> Sizes(const std::vector<SegmentPool::NewSegment>& segments) {
  std::vector<uint64_t> sizes;
  for (const SegmentPool::NewSegment& segment : segments) sizes.push_back(segment.size);
  return sizes;
}

TEST_F(SegmentPoolTest, HasTheDocumentedDefaults) {
  const PoolLimits limits;

  EXPECT_EQ(limits.first_segment, 4 * kKiB * kKiB);
  EXPECT_EQ(limits.largest_segment, 64 * kKiB * kKiB);
  EXPECT_EQ(limits.total, 1024 * kKiB * kKiB);
  EXPECT_EQ(limits.idle, absl::Seconds(10));
}

TEST_F(SegmentPoolTest, MakesNothingBeforeItIsAsked) {
  EXPECT_EQ(pool_->segment_count(), 0U);
  EXPECT_EQ(pool_->total_bytes(), 0U);
  EXPECT_THAT(pool_->TakeNewSegments(), IsEmpty());
}

TEST_F(SegmentPoolTest, GivesAlignedBytesOfItsSegments) {
  const Allocation first = Allocate(100);
  const Allocation second = Allocate(1);

  EXPECT_EQ(first.segment, 1U) << "0 is never used";
  EXPECT_EQ(first.bytes.size(), 100U);
  EXPECT_EQ(second.segment, 1U);
  EXPECT_EQ(second.offset, 128U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second.bytes.data()) % 64, 0U);
  EXPECT_EQ(second.bytes.data(), pool_->bytes(1).data() + second.offset);
  EXPECT_EQ(pool_->allocated_bytes(), 101U);
  EXPECT_EQ(pool_->total_bytes(), 4 * kKiB);
}

TEST_F(SegmentPoolTest, ZeroBytesGetAPlaceOfTheirOwn) {
  const Allocation first = Allocate(0);
  const Allocation second = Allocate(0);

  EXPECT_TRUE(first.bytes.empty());
  EXPECT_NE(first.bytes.data(), nullptr);
  EXPECT_NE(first.offset, second.offset);
  pool_->Free(first);
  pool_->Free(second);
  clock_.Advance(absl::Seconds(10));
  pool_->DropIdle();
  EXPECT_EQ(pool_->segment_count(), 0U);
}

TEST_F(SegmentPoolTest, SegmentsDoubleUpToTheLargest) {
  for (int i = 0; i < 150; ++i) Allocate(2 * kKiB);

  EXPECT_THAT(Sizes(pool_->TakeNewSegments()),
              ElementsAre(4 * kKiB, 8 * kKiB, 16 * kKiB, 32 * kKiB, 64 * kKiB, 64 * kKiB, 64 * kKiB,
                          64 * kKiB));
}

TEST_F(SegmentPoolTest, ABigTensorGetsASegmentOfItsOwn) {
  EXPECT_EQ(Allocate(2 * kKiB).segment, 1U) << "half of the first segment is not too much";
  EXPECT_EQ(Allocate(5 * kKiB).segment, 2U) << "more than half of the next, 8 KiB";
  EXPECT_EQ(Allocate(100 * kKiB).segment, 3U);
  EXPECT_EQ(Allocate(128 * kKiB).segment, 4U);
  EXPECT_EQ(Allocate(2 * kKiB).segment, 1U);
  EXPECT_EQ(Allocate(2 * kKiB).segment, 5U) << "the room left beside big ones stays theirs";

  EXPECT_THAT(Sizes(pool_->TakeNewSegments()),
              ElementsAre(4 * kKiB, 8 * kKiB, 128 * kKiB, 128 * kKiB, 8 * kKiB));
}

TEST_F(SegmentPoolTest, ABigTensorTakesAWarmSegment) {
  const Allocation first = Allocate(100 * kKiB);
  pool_->Free(first);

  EXPECT_EQ(Allocate(1).segment, 2U) << "a small one must not settle there";
  EXPECT_EQ(Allocate(120 * kKiB).segment, 1U);
  EXPECT_EQ(pool_->segment_count(), 2U);
}

TEST_F(SegmentPoolTest, PrefersTheFirstSegmentWithRoom) {
  std::vector<Allocation> allocations;
  for (int i = 0; i < 4; ++i) allocations.push_back(Allocate(2 * kKiB));
  ASSERT_EQ(allocations[3].segment, 2U);

  pool_->Free(allocations[0]);

  EXPECT_EQ(Allocate(kKiB).segment, 1U);
}

TEST_F(SegmentPoolTest, FullMeansResourceExhaustedAndNothingIsLost) {
  LimitTo(8 * kKiB);
  const Allocation first = Allocate(4 * kKiB);
  const Allocation second = Allocate(4 * kKiB);

  const absl::Status status = pool_->Allocate(1).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("limit is 8192"));
  EXPECT_EQ(pool_->total_bytes(), 8 * kKiB);
  pool_->Free(second);
  EXPECT_TRUE(pool_->Allocate(1).ok());
  pool_->Free(first);
}

TEST_F(SegmentPoolTest, RefusesWhatCanNeverFit) {
  for (const uint64_t size : {kSmall.total + 1, ~uint64_t{0}, ~uint64_t{0} - 4095}) {
    EXPECT_EQ(pool_->Allocate(size).status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(pool_->segment_count(), 0U);
  LimitTo(0);
  EXPECT_EQ(pool_->Allocate(0).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(SegmentPoolTest, UsesTheWholeLimit) {
  LimitTo(24 * kKiB);
  std::vector<Allocation> allocations;
  for (int i = 0; i < 12; ++i) allocations.push_back(Allocate(2 * kKiB));

  EXPECT_THAT(Sizes(pool_->TakeNewSegments()), ElementsAre(4 * kKiB, 8 * kKiB, 8 * kKiB, 4 * kKiB));
  EXPECT_FALSE(pool_->Allocate(1).ok());
}

TEST_F(SegmentPoolTest, ABigTensorThatJustFitsIsNotRoundedBeyondTheLimit) {
  LimitTo(100 * kKiB);
  Allocate(1);

  EXPECT_EQ(pool_->segment_size(Allocate(88 * kKiB).segment), 88 * kKiB);
}

TEST_F(SegmentPoolTest, FreeSegmentsMakeRoomForABigTensor) {
  LimitTo(32 * kKiB);
  std::vector<Allocation> allocations;
  for (int i = 0; i < 14; ++i) allocations.push_back(Allocate(2 * kKiB));
  ASSERT_THAT(Indices(pool_->TakeNewSegments()), ElementsAre(1, 2, 3));
  const Allocation kept = allocations[0];
  for (size_t i = 1; i < allocations.size(); ++i) pool_->Free(allocations[i]);

  const Allocation big = Allocate(20 * kKiB);

  EXPECT_EQ(big.segment, 4U);
  EXPECT_EQ(kept.segment, 1U);
  EXPECT_LE(pool_->total_bytes(), 32 * kKiB);
  EXPECT_EQ(pool_->segment_size(1), 4 * kKiB) << "the one in use is still there";
  EXPECT_THAT(pool_->DropIdle(), ElementsAre(2, 3)) << "what went is told once";
  EXPECT_THAT(pool_->DropIdle(), IsEmpty());
}

TEST_F(SegmentPoolTest, DropsNothingForATensorThatWouldNotFitAnyway) {
  LimitTo(32 * kKiB);
  const Allocation small = Allocate(1);
  pool_->Free(Allocate(16 * kKiB));

  EXPECT_FALSE(pool_->Allocate(30 * kKiB).ok());

  EXPECT_EQ(pool_->segment_count(), 2U);
  EXPECT_THAT(pool_->DropIdle(), IsEmpty());
  pool_->Free(small);
}

TEST_F(SegmentPoolTest, SmallTensorsUseABigOnesSegmentBeforeTheyAreRefused) {
  LimitTo(16 * kKiB);
  const Allocation big = Allocate(9 * kKiB);
  ASSERT_EQ(pool_->total_bytes(), 16 * kKiB);

  const Allocation small = Allocate(kKiB);

  EXPECT_EQ(small.segment, big.segment);
  EXPECT_GE(small.offset, 9 * kKiB);
}

TEST_F(SegmentPoolTest, ASegmentThatWasNeverAnnouncedGoesWithoutAWord) {
  LimitTo(16 * kKiB);
  pool_->Free(Allocate(8 * kKiB));
  Allocate(12 * kKiB);

  EXPECT_THAT(Indices(pool_->TakeNewSegments()), ElementsAre(2));
  EXPECT_THAT(pool_->DropIdle(), IsEmpty());
}

TEST_F(SegmentPoolTest, AnnouncesEachSegmentOnce) {
  Allocate(1);
  Allocate(100 * kKiB);

  const std::vector<SegmentPool::NewSegment> made = pool_->TakeNewSegments();

  ASSERT_THAT(Indices(made), ElementsAre(1, 2));
  EXPECT_EQ(made[1].size, 128 * kKiB);
  EXPECT_EQ(made[1].fd, pool_->fd(2));
  EXPECT_EQ(made[1].size, pool_->segment_size(2));
  EXPECT_THAT(pool_->TakeNewSegments(), IsEmpty());
}

TEST_F(SegmentPoolTest, DropsSegmentsThatWereEmptyLongEnough) {
  const Allocation kept = Allocate(2 * kKiB);
  const Allocation big = Allocate(100 * kKiB);
  pool_->TakeNewSegments();
  clock_.Advance(absl::Hours(1));
  pool_->Free(big);

  EXPECT_THAT(pool_->DropIdle(), IsEmpty()) << "it has only just become empty";
  clock_.Advance(absl::Seconds(10) - absl::Nanoseconds(1));
  EXPECT_THAT(pool_->DropIdle(), IsEmpty());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_THAT(pool_->DropIdle(), ElementsAre(2));

  EXPECT_EQ(pool_->total_bytes(), 4 * kKiB);
  EXPECT_THAT(pool_->DropIdle(), IsEmpty()) << "the other one is in use, however long";
  pool_->Free(kept);
}

TEST_F(SegmentPoolTest, AnAllocationStartsTheIdleTimeAnew) {
  pool_->Free(Allocate(1));
  pool_->TakeNewSegments();
  clock_.Advance(absl::Seconds(9));
  pool_->Free(Allocate(1));
  clock_.Advance(absl::Seconds(9));

  EXPECT_THAT(pool_->DropIdle(), IsEmpty());
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(pool_->DropIdle(), ElementsAre(1));
}

TEST_F(SegmentPoolTest, IndicesAreNeverReusedAndTheSeriesStartsAnew) {
  for (uint64_t round = 1; round <= 5; ++round) {
    const Allocation allocation = Allocate(2 * kKiB);
    EXPECT_EQ(allocation.segment, round);
    EXPECT_EQ(pool_->segment_size(round), 4 * kKiB);
    pool_->Free(allocation);
    pool_->TakeNewSegments();
    clock_.Advance(absl::Seconds(10));
    EXPECT_THAT(pool_->DropIdle(), ElementsAre(round));
  }
}

TEST_F(SegmentPoolTest, DroppingClosesTheDescriptor) {
  const size_t before = OpenDescriptors();
  pool_->Free(Allocate(1));
  EXPECT_EQ(OpenDescriptors(), before + 1);

  clock_.Advance(absl::Minutes(1));
  pool_->DropIdle();

  EXPECT_EQ(OpenDescriptors(), before);
}

using SegmentPoolDeathTest = SegmentPoolTest;

TEST_F(SegmentPoolDeathTest, AbortsOnFreeingWhatIsNotThere) {
  const Allocation allocation = Allocate(64);
  Allocation elsewhere = allocation;
  elsewhere.segment = 9;

  EXPECT_DEATH(pool_->Free(elsewhere), "does not exist");
  EXPECT_DEATH(static_cast<void>(pool_->fd(9)), "does not exist");
  pool_->Free(allocation);
  EXPECT_DEATH(pool_->Free(allocation), "not allocated");
}

// Every live tensor holds its own pattern; an overlap would break one.
TEST_F(SegmentPoolTest, RandomTensorsKeepTheirBytesAndEverythingComesBack) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  LimitTo(400 * kKiB);
  std::vector<std::pair<Allocation, std::byte>> live;
  std::set<uint64_t> announced;
  uint64_t live_bytes = 0;
  int refused = 0;
  const auto free_one = [&] {
    std::swap(live[random() % live.size()], live.back());
    const auto [allocation, pattern] = live.back();
    live.pop_back();
    ASSERT_EQ(std::ranges::count(allocation.bytes, pattern),
              static_cast<std::ptrdiff_t>(allocation.bytes.size()));
    live_bytes -= allocation.bytes.size();
    pool_->Free(allocation);
  };

  for (int step = 0; step < 20'000; ++step) {
    if (!live.empty() && random() % 100 < 48) {
      free_one();
    } else {
      const uint64_t size = random() % (random() % 16 == 0 ? 100 * kKiB : 4 * kKiB);
      const absl::StatusOr<Allocation> allocation = pool_->Allocate(size);
      if (!allocation.ok()) {
        ASSERT_EQ(allocation.status().code(), absl::StatusCode::kResourceExhausted);
        ++refused;
        continue;
      }
      const auto pattern = static_cast<std::byte>(random() % 256);
      std::ranges::fill(allocation->bytes, pattern);
      live.emplace_back(*allocation, pattern);
      live_bytes += size;
    }
    if (random() % 64 == 0) clock_.Advance(absl::Seconds(random() % 12));
    if (random() % 16 == 0) {
      for (const SegmentPool::NewSegment& made : pool_->TakeNewSegments()) {
        ASSERT_TRUE(announced.insert(made.index).second) << "index used again";
      }
      for (const uint64_t gone : pool_->DropIdle()) ASSERT_TRUE(announced.contains(gone));
    }
    ASSERT_EQ(pool_->allocated_bytes(), live_bytes);
    ASSERT_LE(pool_->total_bytes(), 400 * kKiB);
    ASSERT_LE(live_bytes, pool_->total_bytes());
  }
  EXPECT_GT(refused, 0) << "the limit was never reached";
  while (!live.empty()) free_one();
  clock_.Advance(absl::Seconds(10));
  pool_->DropIdle();

  EXPECT_EQ(pool_->segment_count(), 0U);
  EXPECT_EQ(pool_->total_bytes(), 0U);
  EXPECT_EQ(pool_->allocated_bytes(), 0U);
}

}  // namespace
}  // namespace tiffin::shm
