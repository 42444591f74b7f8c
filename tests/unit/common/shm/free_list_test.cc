#include "common/shm/free_list.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tiffin::shm {
namespace {

constexpr uint64_t kUnit = 64;

uint64_t Rounded(uint64_t size) { return std::max(kUnit, (size + kUnit - 1) / kUnit * kUnit); }

TEST(FreeListTest, TakesTheFirstPartThatFits) {
  FreeList list(1024);

  EXPECT_EQ(list.Allocate(100), 0U);
  EXPECT_EQ(list.Allocate(1), 128U);
  EXPECT_EQ(list.Allocate(64), 192U);
  list.Free(0, 100);

  EXPECT_EQ(list.Allocate(129), 256U);
  EXPECT_EQ(list.Allocate(65), 0U);
}

TEST(FreeListTest, RefusesWhatDoesNotFit) {
  FreeList list(256);

  EXPECT_EQ(list.Allocate(257), std::nullopt);
  EXPECT_EQ(list.Allocate(std::numeric_limits<uint64_t>::max()), std::nullopt);
  EXPECT_EQ(list.Allocate(std::numeric_limits<uint64_t>::max() - 62), std::nullopt);
  EXPECT_EQ(list.Allocate(256), 0U);
  EXPECT_EQ(list.Allocate(1), std::nullopt);
  EXPECT_EQ(list.Allocate(0), std::nullopt);
}

TEST(FreeListTest, HasNothingToGiveWhenSmallerThanOneUnit) {
  FreeList list(63);

  EXPECT_TRUE(list.all_free());
  EXPECT_EQ(list.Allocate(0), std::nullopt);
  EXPECT_EQ(list.Allocate(1), std::nullopt);
}

TEST(FreeListTest, NeverGivesTheBytesBeyondTheLastUnit) {
  FreeList list(256 + 63);

  EXPECT_EQ(list.free_bytes(), 256U);
  EXPECT_EQ(list.Allocate(257), std::nullopt);
}

TEST(FreeListTest, ZeroBytesTakeAUnitOfTheirOwn) {
  FreeList list(256);

  EXPECT_EQ(list.Allocate(0), 0U);
  EXPECT_EQ(list.Allocate(0), 64U);
  EXPECT_EQ(list.free_bytes(), 128U);
  list.Free(0, 0);
  list.Free(64, 0);

  EXPECT_TRUE(list.all_free());
}

// Three neighbours, freed in every order, must become one part again.
TEST(FreeListTest, JoinsNeighboursInWhateverOrderTheyAreFreed) {
  std::vector<uint64_t> order = {0, 64, 128};
  do {
    FreeList list(192);
    for (size_t i = 0; i < order.size(); ++i) ASSERT_TRUE(list.Allocate(64).has_value());
    for (const uint64_t offset : order) list.Free(offset, 64);
    EXPECT_EQ(list.Allocate(192), 0U);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(FreeListDeathTest, AbortsOnWhatWasNeverAllocated) {
  FreeList list(1024);
  ASSERT_EQ(list.Allocate(128), 0U);

  EXPECT_DEATH(list.Free(64, 64), "not allocated");
  EXPECT_DEATH(list.Free(512, 64), "not allocated");
  EXPECT_DEATH(list.Free(0, 64), "another size");
  EXPECT_DEATH(list.Free(0, 192), "another size");
  EXPECT_DEATH(list.Free(0, std::numeric_limits<uint64_t>::max()), "another size");
}

TEST(FreeListDeathTest, AbortsOnFreeingTwice) {
  FreeList list(1024);
  ASSERT_EQ(list.Allocate(128), 0U);
  list.Free(0, 128);

  EXPECT_DEATH(list.Free(0, 128), "not allocated");
}

// Random allocations and frees against a plain map of what is in use.
TEST(FreeListTest, RandomSequencesNeverOverlapAndEverythingComesBack) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  RecordProperty("seed", std::to_string(seed));
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);

  for (int round = 0; round < 50; ++round) {
    const uint64_t size = (1 + random() % 512) * kUnit;
    FreeList list(size);
    std::map<uint64_t, uint64_t> used;  // Offset -> size asked for.
    uint64_t used_bytes = 0;
    const auto free_one = [&] {
      const auto victim =
          std::next(used.begin(), static_cast<std::ptrdiff_t>(random() % used.size()));
      list.Free(victim->first, victim->second);
      used_bytes -= Rounded(victim->second);
      used.erase(victim);
    };
    const auto largest_gap = [&] {
      uint64_t largest = 0;
      uint64_t end = 0;
      for (const auto& [offset, asked] : used) {
        largest = std::max(largest, offset - end);
        end = offset + Rounded(asked);
      }
      return std::max(largest, size - end);
    };

    for (int step = 0; step < 400; ++step) {
      if (!used.empty() && random() % 5 < 2) {
        free_one();
      } else {
        const uint64_t asked = random() % (1 + size / (1 + random() % 32));
        const uint64_t gap = largest_gap();
        const std::optional<uint64_t> offset = list.Allocate(asked);
        ASSERT_EQ(offset.has_value(), Rounded(asked) <= gap);
        if (!offset.has_value()) continue;
        ASSERT_EQ(*offset % kUnit, 0U);
        ASSERT_LE(*offset + asked, size);
        const auto next = used.lower_bound(*offset);
        if (next != used.end()) {
          ASSERT_LE(*offset + Rounded(asked), next->first);
        }
        if (next != used.begin()) {
          const auto previous = std::prev(next);
          ASSERT_LE(previous->first + Rounded(previous->second), *offset);
        }
        used.emplace(*offset, asked);
        used_bytes += Rounded(asked);
      }
      ASSERT_EQ(list.free_bytes(), size - used_bytes);
      ASSERT_EQ(list.all_free(), used.empty());
    }
    while (!used.empty()) free_one();
    ASSERT_TRUE(list.all_free());
    ASSERT_EQ(list.Allocate(size), 0U);
  }
}

}  // namespace
}  // namespace tiffin::shm
