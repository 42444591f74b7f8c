#include "worker/runtime/input_segment.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

using ::testing::Each;

constexpr size_t kPage = 4096;
constexpr std::byte kBefore{1};
constexpr std::byte kAfter{2};

class InputSegmentTest : public ::testing::Test {
 protected:
  InputSegmentTest() { Write(kBefore); }

  static InputSegment Receive(const shm::OwnedSegment& owned) {
    return InputSegment(
        *shm::ForeignSegment::Receive(UniqueFd(dup(owned.fd())), owned.bytes().size()));
  }
  // The owner does.
  void Write(std::byte value) { std::fill(owned_.bytes().begin(), owned_.bytes().end(), value); }

  shm::OwnedSegment owned_ = *shm::OwnedSegment::Create(8 * kPage);
  InputSegment segment_ = Receive(owned_);
};

TEST_F(InputSegmentTest, CallsShareAMapping) {
  const InputSegment::Mapping first = *segment_.Map();
  EXPECT_EQ(first, *segment_.Map());
  Write(kAfter);
  EXPECT_THAT(BytesOf(*first), Each(kAfter));
}

TEST_F(InputSegmentTest, WhatIsFrozenStaysAndNothingElse) {
  const InputSegment::Mapping mapping = *segment_.Map();
  const std::span<const std::byte> frozen = BytesOf(*mapping).subspan(kPage + 64, kPage);

  ASSERT_TRUE(segment_.Freeze(mapping, frozen).ok());
  Write(kAfter);

  EXPECT_THAT(frozen, Each(kBefore));
  EXPECT_THAT(BytesOf(*mapping).first(kPage), Each(kAfter));
  EXPECT_THAT(BytesOf(*mapping).subspan(3 * kPage), Each(kAfter));
  const InputSegment::Mapping next = *segment_.Map();
  EXPECT_THAT(BytesOf(*next), Each(kAfter));
}

TEST_F(InputSegmentTest, ItIsFrozenAgainInTheSameMapping) {
  const InputSegment::Mapping mapping = *segment_.Map();
  ASSERT_TRUE(segment_.Freeze(mapping, BytesOf(*mapping).first(10)).ok());
  Write(kAfter);
  ASSERT_TRUE(segment_.Freeze(mapping, BytesOf(*mapping).subspan(kPage, 10)).ok());
  Write(kBefore);

  EXPECT_THAT(BytesOf(*mapping).first(10), Each(kBefore));
  EXPECT_THAT(BytesOf(*mapping).subspan(kPage, 10), Each(kAfter));
}

TEST_F(InputSegmentTest, NoBytesAreNothingToFreeze) {
  const InputSegment::Mapping mapping = *segment_.Map();
  EXPECT_TRUE(segment_.Freeze(mapping, BytesOf(*mapping).first(0)).ok());
  EXPECT_EQ(*segment_.Map(), mapping);
}

TEST_F(InputSegmentTest, TheEndOfASegmentIsFrozenToo) {
  const InputSegment::Mapping mapping = *segment_.Map();
  ASSERT_TRUE(segment_.Freeze(mapping, BytesOf(*mapping).last(1)).ok());
  Write(kAfter);
  EXPECT_THAT(BytesOf(*mapping).last(1), Each(kBefore));
}

}  // namespace
}  // namespace tiffin::worker
