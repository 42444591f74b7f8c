#include "worker/runtime/call_outputs.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/session/frames.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"

namespace tiffin::worker {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSegment = 1 << 16;

class CallOutputsTest : public ::testing::Test {
 protected:
  CallOutputsTest() {
    MethodSignature& run = signature_["run"];
    run.inputs = {{"in", TensorType(DataType::kUint8, {-1})}};
    run.outputs = {{"first", TensorType(DataType::kUint8, {-1})},
                   {"second", TensorType(DataType::kFp32, {-1})}};
    call_ = peer_.MakeCall(1, run, "x");
  }

  static absl::StatusOr<std::span<std::byte>> Bytes(CallOutputs& outputs, size_t index,
                                                    uint64_t size) {
    return outputs.Allocate(index, DataType::kUint8, Shape{static_cast<int64_t>(size)}, size);
  }
  // True if the whole limit can still be had.
  bool AllIsFree() {
    const auto all = peer_.peer()->Allocate(kSegment);
    if (all.ok()) peer_.peer()->Free(*all);
    return all.ok();
  }

  TestPeer peer_{{.first_segment = kSegment, .largest_segment = kSegment, .total = kSegment}};
  Signature signature_;
  std::shared_ptr<QueuedCall> call_;
};

TEST_F(CallOutputsTest, SmallOutputsTravelInTheFrameAndOthersInASegment) {
  CallOutputs outputs(*call_);
  const auto small = Bytes(outputs, 0, session::kInlineLimit);
  const auto large = outputs.Allocate(1, DataType::kFp32, Shape{1000}, 4000);
  ASSERT_TRUE(small.ok() && large.ok());
  EXPECT_EQ(small->size(), session::kInlineLimit);
  EXPECT_EQ(large->size(), 4000U);
  std::fill(small->begin(), small->end(), std::byte{7});

  v1::Result result;
  outputs.MoveTo(result);

  ASSERT_EQ(result.outputs_size(), 2);
  EXPECT_EQ(result.outputs(0).segment(), 0U);
  EXPECT_EQ(result.outputs(0).inline_bytes(), std::string(session::kInlineLimit, '\7'));
  EXPECT_NE(result.outputs(1).segment(), 0U);
  EXPECT_EQ(result.outputs(1).size(), 4000U);
  EXPECT_EQ(result.outputs(1).dtype(), static_cast<uint32_t>(DataType::kFp32));
  EXPECT_TRUE(result.outputs(1).inline_bytes().empty());
}

TEST_F(CallOutputsTest, AByteMoreThanTheLimitTakesASegment) {
  CallOutputs outputs(*call_);
  ASSERT_TRUE(Bytes(outputs, 0, session::kInlineLimit + 1).ok());
  ASSERT_TRUE(outputs.Allocate(1, DataType::kFp32, Shape{0}, 0).ok());

  v1::Result result;
  outputs.MoveTo(result);

  EXPECT_NE(result.outputs(0).segment(), 0U);
  EXPECT_EQ(result.outputs(1).segment(), 0U) << "an empty tensor";
}

TEST_F(CallOutputsTest, MemoryIsAlignedWhereverItLies) {
  CallOutputs outputs(*call_);
  const auto small = Bytes(outputs, 0, 3);
  const auto large = outputs.Allocate(1, DataType::kFp32, Shape{1000}, 4000);
  ASSERT_TRUE(small.ok() && large.ok());

  EXPECT_EQ(reinterpret_cast<uintptr_t>(small->data()) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large->data()) % 64, 0U);
}

TEST_F(CallOutputsTest, WhatIsSentStaysUntilTheRelease) {
  {
    CallOutputs outputs(*call_);
    ASSERT_TRUE(Bytes(outputs, 0, 1000).ok());
    ASSERT_TRUE(outputs.Allocate(1, DataType::kFp32, Shape{1000}, 4000).ok());
    v1::Result result;
    outputs.MoveTo(result);
  }
  EXPECT_FALSE(AllIsFree());

  peer_.peer()->Release(1);

  EXPECT_TRUE(AllIsFree());
}

TEST_F(CallOutputsTest, WhatIsNotSentIsGivenBack) {
  {
    CallOutputs outputs(*call_);
    ASSERT_TRUE(Bytes(outputs, 0, 1000).ok());
    EXPECT_FALSE(AllIsFree());
  }
  EXPECT_TRUE(AllIsFree());
}

TEST_F(CallOutputsTest, AnOutputThatTheMethodLacksIsRefused) {
  CallOutputs outputs(*call_);
  EXPECT_TRUE(absl::IsInternal(Bytes(outputs, 2, 1).status()));
}

TEST_F(CallOutputsTest, AnOutputIsFilledOnce) {
  CallOutputs outputs(*call_);
  ASSERT_TRUE(Bytes(outputs, 0, 1).ok());

  const absl::Status again = Bytes(outputs, 0, 1).status();

  EXPECT_TRUE(absl::IsInternal(again));
  EXPECT_THAT(std::string(again.message()), HasSubstr("twice"));
}

TEST_F(CallOutputsTest, SizesThatAreNotTheShapesAreRefused) {
  CallOutputs outputs(*call_);
  EXPECT_FALSE(outputs.Allocate(0, DataType::kUint8, Shape{3}, 4).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kUint8, Shape{3}, 2).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kFp32, Shape{2, 2}, 4).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kUint8, Shape{-1}, 1).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kInvalid, Shape{1}, 1).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kInt64, Shape{INT64_MAX, INT64_MAX}, 8).ok());

  EXPECT_TRUE(outputs.Allocate(0, DataType::kUint8, Shape{3}, 3).ok()) << "refused ones count";
}

TEST_F(CallOutputsTest, FramedElementsHaveTheSizeThatTheBackendSays) {
  CallOutputs outputs(*call_);
  const auto bytes = outputs.Allocate(0, DataType::kBytes, Shape{2}, 4 + 5 + 4);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->size(), 13U);
}

TEST_F(CallOutputsTest, AnOutputLeftOutIsNamed) {
  CallOutputs outputs(*call_);
  EXPECT_FALSE(outputs.CheckComplete().ok());
  ASSERT_TRUE(Bytes(outputs, 0, 1).ok());

  const absl::Status incomplete = outputs.CheckComplete();
  EXPECT_TRUE(absl::IsInternal(incomplete));
  EXPECT_THAT(std::string(incomplete.message()), HasSubstr("'second'"));

  ASSERT_TRUE(outputs.Allocate(1, DataType::kFp32, Shape{1}, 4).ok());
  EXPECT_TRUE(outputs.CheckComplete().ok());
}

TEST_F(CallOutputsTest, FullIsTheBackendsToReturn) {
  CallOutputs outputs(*call_);
  EXPECT_TRUE(absl::IsResourceExhausted(Bytes(outputs, 0, 2 * kSegment).status()));

  EXPECT_FALSE(outputs.CheckComplete().ok());
  EXPECT_TRUE(Bytes(outputs, 0, 1000).ok()) << "a smaller one still fits";
}

}  // namespace
}  // namespace tiffin::worker
