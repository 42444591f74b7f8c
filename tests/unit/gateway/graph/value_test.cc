#include "gateway/graph/value.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(ValueTest, HeapMemoryIsAlignedWhateverItsSize) {
  for (const size_t size : {0u, 1u, 7u, 64u, 1000u}) {
    const Value value =
        HeapValue(DataType::kUint8, {1, static_cast<int64_t>(size)}, std::string(size, 'x'));
    const auto bytes = value.buffer->Bytes();
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes->data()) % 64, 0u);
    EXPECT_EQ(bytes->size(), size);
    EXPECT_EQ(AsStringView(*bytes), std::string(size, 'x'));
  }
}

TEST(ValueTest, PiecesFollowOneAnother) {
  const std::array pieces = {AsBytes("ab"), AsBytes(""), AsBytes("cde")};
  const Value value = HeapValue(DataType::kUint8, {5}, pieces);
  EXPECT_EQ(AsStringView(value.View()->bytes), "abcde");
}

TEST(ValueTest, BytesMayBeWrittenInPlace) {
  const auto value = HeapValue(DataType::kUint8, {3}, 3, [](std::span<std::byte> bytes) {
    std::ranges::fill(bytes, std::byte{'a'});
    return absl::OkStatus();
  });
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(AsStringView(value->View()->bytes), "aaa");
}

TEST(ValueTest, WhatCannotBeWrittenIsNoValue) {
  const auto value = HeapValue(DataType::kUint8, {3}, 3, [](std::span<std::byte> /*bytes*/) {
    return absl::InvalidArgumentError("cut short");
  });
  EXPECT_EQ(value.status(), absl::InvalidArgumentError("cut short"));
}

TEST(ValueTest, ViewOfAValueWithoutABufferFails) { EXPECT_FALSE(Value{}.View().ok()); }

TEST(ValueTest, CopiesShareTheirBytes) {
  const Value value = HeapValue(DataType::kUint8, {1}, "x");
  const Value copy = value;
  EXPECT_EQ(copy.View()->bytes.data(), value.View()->bytes.data());
}

}  // namespace
}  // namespace tiffin::gateway
