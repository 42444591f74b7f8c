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
    calls_ = {peer_.MakeCall(1, run, "x")};
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
  std::vector<std::shared_ptr<QueuedCall>> calls_;
};

TEST_F(CallOutputsTest, SmallOutputsTravelInTheFrameAndOthersInASegment) {
  CallOutputs outputs(calls_);
  const auto small = Bytes(outputs, 0, session::kInlineLimit);
  const auto large = outputs.Allocate(1, DataType::kFp32, Shape{1000}, 4000);
  ASSERT_TRUE(small.ok() && large.ok());
  EXPECT_EQ(small->size(), session::kInlineLimit);
  EXPECT_EQ(large->size(), 4000U);
  std::fill(small->begin(), small->end(), std::byte{7});

  v1::Result result;
  ASSERT_TRUE(outputs.Finish().ok());
  ASSERT_TRUE(outputs.MoveTo(0, result).ok());

  ASSERT_EQ(result.outputs_size(), 2);
  EXPECT_EQ(result.outputs(0).segment(), 0U);
  EXPECT_EQ(result.outputs(0).inline_bytes(), std::string(session::kInlineLimit, '\7'));
  EXPECT_NE(result.outputs(1).segment(), 0U);
  EXPECT_EQ(result.outputs(1).size(), 4000U);
  EXPECT_EQ(result.outputs(1).dtype(), static_cast<uint32_t>(DataType::kFp32));
  EXPECT_TRUE(result.outputs(1).inline_bytes().empty());
}

TEST_F(CallOutputsTest, AByteMoreThanTheLimitTakesASegment) {
  CallOutputs outputs(calls_);
  ASSERT_TRUE(Bytes(outputs, 0, session::kInlineLimit + 1).ok());
  ASSERT_TRUE(outputs.Allocate(1, DataType::kFp32, Shape{0}, 0).ok());

  v1::Result result;
  ASSERT_TRUE(outputs.Finish().ok());
  ASSERT_TRUE(outputs.MoveTo(0, result).ok());

  EXPECT_NE(result.outputs(0).segment(), 0U);
  EXPECT_EQ(result.outputs(1).segment(), 0U) << "an empty tensor";
}

TEST_F(CallOutputsTest, MemoryIsAlignedWhereverItLies) {
  CallOutputs outputs(calls_);
  const auto small = Bytes(outputs, 0, 3);
  const auto large = outputs.Allocate(1, DataType::kFp32, Shape{1000}, 4000);
  ASSERT_TRUE(small.ok() && large.ok());

  EXPECT_EQ(reinterpret_cast<uintptr_t>(small->data()) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large->data()) % 64, 0U);
}

TEST_F(CallOutputsTest, WhatIsSentStaysUntilTheRelease) {
  {
    CallOutputs outputs(calls_);
    ASSERT_TRUE(Bytes(outputs, 0, 1000).ok());
    ASSERT_TRUE(outputs.Allocate(1, DataType::kFp32, Shape{1000}, 4000).ok());
    v1::Result result;
    ASSERT_TRUE(outputs.Finish().ok());
    ASSERT_TRUE(outputs.MoveTo(0, result).ok());
  }
  EXPECT_FALSE(AllIsFree());

  peer_.peer()->Release(1);

  EXPECT_TRUE(AllIsFree());
}

TEST_F(CallOutputsTest, WhatIsNotSentIsGivenBack) {
  {
    CallOutputs outputs(calls_);
    ASSERT_TRUE(Bytes(outputs, 0, 1000).ok());
    EXPECT_FALSE(AllIsFree());
  }
  EXPECT_TRUE(AllIsFree());
}

TEST_F(CallOutputsTest, AnOutputThatTheMethodLacksIsRefused) {
  CallOutputs outputs(calls_);
  EXPECT_TRUE(absl::IsInternal(Bytes(outputs, 2, 1).status()));
}

TEST_F(CallOutputsTest, AnOutputIsFilledOnce) {
  CallOutputs outputs(calls_);
  ASSERT_TRUE(Bytes(outputs, 0, 1).ok());

  const absl::Status again = Bytes(outputs, 0, 1).status();

  EXPECT_TRUE(absl::IsInternal(again));
  EXPECT_THAT(std::string(again.message()), HasSubstr("twice"));
}

TEST_F(CallOutputsTest, SizesThatAreNotTheShapesAreRefused) {
  CallOutputs outputs(calls_);
  EXPECT_FALSE(outputs.Allocate(0, DataType::kUint8, Shape{3}, 4).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kUint8, Shape{3}, 2).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kFp32, Shape{2, 2}, 4).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kUint8, Shape{-1}, 1).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kInvalid, Shape{1}, 1).ok());
  EXPECT_FALSE(outputs.Allocate(0, DataType::kInt64, Shape{INT64_MAX, INT64_MAX}, 8).ok());

  EXPECT_TRUE(outputs.Allocate(0, DataType::kUint8, Shape{3}, 3).ok()) << "refused ones count";
}

TEST_F(CallOutputsTest, FramedElementsHaveTheSizeThatTheBackendSays) {
  CallOutputs outputs(calls_);
  const auto bytes = outputs.Allocate(0, DataType::kBytes, Shape{2}, 4 + 5 + 4);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->size(), 13U);
}

TEST_F(CallOutputsTest, AnOutputLeftOutIsNamed) {
  CallOutputs outputs(calls_);
  EXPECT_FALSE(outputs.Finish().ok());
  ASSERT_TRUE(Bytes(outputs, 0, 1).ok());

  const absl::Status incomplete = outputs.Finish();
  EXPECT_TRUE(absl::IsInternal(incomplete));
  EXPECT_THAT(std::string(incomplete.message()), HasSubstr("'second'"));

  ASSERT_TRUE(outputs.Allocate(1, DataType::kFp32, Shape{1}, 4).ok());
  EXPECT_TRUE(outputs.Finish().ok());
}

TEST_F(CallOutputsTest, FullIsTheBackendsToReturn) {
  CallOutputs outputs(calls_);
  EXPECT_TRUE(absl::IsResourceExhausted(Bytes(outputs, 0, 2 * kSegment).status()));

  EXPECT_FALSE(outputs.Finish().ok());
  EXPECT_TRUE(Bytes(outputs, 0, 1000).ok()) << "a smaller one still fits";
}

// Two calls of 2 and 3 rows that run together.
class BatchOutputsTest : public CallOutputsTest {
 protected:
  static constexpr int64_t kRows[] = {2, 3};

  BatchOutputsTest() {
    MethodSignature& run = signature_["run"];
    run.batchable = true;
    run.outputs.resize(1);
    calls_.push_back(peer_.MakeCall(2, run, "xxx"));
    for (size_t i = 0; i < 2; ++i) calls_[i]->rows = kRows[i];
  }

  // Fills the one output of 5 rows, byte i with i % 251, and gives each call its part.
  std::vector<v1::Result> Give(CallOutputs& outputs, int64_t width) {
    const auto bytes =
        outputs.Allocate(0, DataType::kUint8, Shape{5, width}, static_cast<uint64_t>(5 * width));
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    for (size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = static_cast<std::byte>(i % 251);
    EXPECT_TRUE(outputs.Finish().ok());
    std::vector<v1::Result> results(2);
    for (size_t i = 0; i < 2; ++i) {
      const absl::Status moved = outputs.MoveTo(i, results[i]).status();
      EXPECT_TRUE(moved.ok()) << moved;
      EXPECT_EQ(results[i].outputs(0).shape(0), kRows[i]);
      EXPECT_EQ(results[i].outputs(0).shape(1), width);
    }
    return results;
  }
};

TEST_F(BatchOutputsTest, SmallRowsTravelInTheFrames) {
  CallOutputs outputs(calls_);
  const auto results = Give(outputs, 150);  // 750 bytes: each part is below the limit, all are not.

  std::string all;
  for (int i = 0; i < 750; ++i) all.push_back(static_cast<char>(i % 251));
  EXPECT_EQ(results[0].outputs(0).inline_bytes() + results[1].outputs(0).inline_bytes(), all);
  EXPECT_TRUE(AllIsFree());
}

TEST_F(BatchOutputsTest, AlignedRowsAreViewsOfOneAllocation) {
  {
    CallOutputs outputs(calls_);
    const auto results = Give(outputs, 1024);
    const v1::Tensor& first = results[0].outputs(0);
    const v1::Tensor& second = results[1].outputs(0);
    EXPECT_EQ(first.segment(), second.segment());
    EXPECT_EQ(second.offset(), first.offset() + 2 * 1024);
    EXPECT_EQ(first.size(), 2U * 1024);
    EXPECT_EQ(second.size(), 3U * 1024);
  }
  peer_.peer()->Release(1);
  EXPECT_FALSE(AllIsFree()) << "the other call still reads";

  peer_.peer()->Release(2);

  EXPECT_TRUE(AllIsFree());
}

TEST_F(BatchOutputsTest, AViewBesideSmallRowsIsFreedToo) {
  calls_[0]->rows = 1;  // 448 bytes, inline.
  calls_[1]->rows = 4;
  {
    CallOutputs outputs(calls_);
    ASSERT_TRUE(outputs.Allocate(0, DataType::kUint8, Shape{5, 448}, 5 * 448).ok());
    ASSERT_TRUE(outputs.Finish().ok());
    v1::Result first;
    v1::Result second;
    ASSERT_TRUE(outputs.MoveTo(0, first).ok());
    ASSERT_TRUE(outputs.MoveTo(1, second).ok());
    EXPECT_EQ(first.outputs(0).segment(), 0U);
    EXPECT_NE(second.outputs(0).segment(), 0U);
  }
  EXPECT_FALSE(AllIsFree());

  peer_.peer()->Release(2);

  EXPECT_TRUE(AllIsFree());
}

TEST_F(BatchOutputsTest, RowsOffTheBoundaryAreCopied) {
  {
    CallOutputs outputs(calls_);
    const auto results = Give(outputs, 1000);
    for (const v1::Result& result : results) {
      EXPECT_NE(result.outputs(0).segment(), 0U);
      EXPECT_EQ(result.outputs(0).offset() % 64, 0U);
    }
  }
  peer_.peer()->Release(1);
  peer_.peer()->Release(2);
  EXPECT_TRUE(AllIsFree());
}

TEST_F(BatchOutputsTest, CallsOfAnotherPeerGetTheirRowsThere) {
  TestPeer other({.first_segment = kSegment, .largest_segment = kSegment, .total = kSegment});
  calls_[1] = other.MakeCall(1, signature_["run"], "xxx");
  calls_[1]->rows = 3;
  {
    CallOutputs outputs(calls_);
    Give(outputs, 1024);
  }
  EXPECT_FALSE(AllIsFree());
  peer_.peer()->Release(1);
  EXPECT_TRUE(AllIsFree());
  EXPECT_FALSE(other.peer()->Allocate(kSegment).ok());
  other.peer()->Release(1);
  EXPECT_TRUE(other.peer()->Allocate(kSegment).ok());
}

TEST_F(BatchOutputsTest, ACallWithoutRoomForItsCopyFailsAlone) {
  const auto taken = peer_.peer()->Allocate(kSegment - 8192);
  ASSERT_TRUE(taken.ok());
  {
    CallOutputs outputs(calls_);
    ASSERT_TRUE(outputs.Allocate(0, DataType::kUint8, Shape{5, 1000}, 5000).ok());
    ASSERT_TRUE(outputs.Finish().ok());
    v1::Result first;
    v1::Result second;

    EXPECT_TRUE(outputs.MoveTo(0, first).ok());
    EXPECT_TRUE(absl::IsResourceExhausted(outputs.MoveTo(1, second).status()));
  }
  peer_.peer()->Release(1);
  EXPECT_TRUE(peer_.peer()->Allocate(8192).ok());
}

TEST_F(BatchOutputsTest, WhatIsCopiedLaterCountsAsTheSegmentsLimitsHaveIt) {
  {
    CallOutputs outputs(calls_);
    constexpr uint64_t kSmallest = 2 * session::kInlineLimit + 1;  // Frames could not carry it.
    ASSERT_TRUE(outputs.Allocate(0, DataType::kBytes, Shape{5}, kSmallest).ok());
    EXPECT_FALSE(AllIsFree());
  }
  EXPECT_TRUE(AllIsFree());

  const auto taken = peer_.peer()->Allocate(kSegment - 4096);
  ASSERT_TRUE(taken.ok());
  CallOutputs outputs(calls_);
  EXPECT_TRUE(absl::IsResourceExhausted(
      outputs.Allocate(0, DataType::kUint8, Shape{5, 1000}, 5000).status()));
}

TEST_F(BatchOutputsTest, WhatNobodyWasGivenIsGivenBack) {
  {
    CallOutputs outputs(calls_);
    ASSERT_TRUE(outputs.Allocate(0, DataType::kUint8, Shape{5, 1024}, 5 * 1024).ok());
    EXPECT_FALSE(AllIsFree());
  }
  EXPECT_TRUE(AllIsFree());
}

TEST_F(BatchOutputsTest, FramedElementsAreDividedByRows) {
  CallOutputs outputs(calls_);
  std::string framed;
  for (const char* text : {"a", "", "ccc", "dd", "e"}) AppendBytesElement(text, framed);
  const auto bytes = outputs.Allocate(0, DataType::kBytes, Shape{5}, framed.size());
  ASSERT_TRUE(bytes.ok());
  std::copy_n(AsBytes(framed).begin(), framed.size(), bytes->begin());
  ASSERT_TRUE(outputs.Finish().ok());
  v1::Result first;
  v1::Result second;

  ASSERT_TRUE(outputs.MoveTo(0, first).ok());
  ASSERT_TRUE(outputs.MoveTo(1, second).ok());

  EXPECT_EQ(first.outputs(0).inline_bytes(), framed.substr(0, 9));
  EXPECT_EQ(second.outputs(0).inline_bytes(), framed.substr(9));
  EXPECT_EQ(second.outputs(0).shape(0), 3);
}

TEST_F(BatchOutputsTest, RowsThatCanNotBeToldApartAreRefused) {
  CallOutputs outputs(calls_);
  EXPECT_TRUE(absl::IsInternal(outputs.Allocate(0, DataType::kUint8, Shape{4, 10}, 40).status()))
      << "4 rows of 5";
  EXPECT_TRUE(absl::IsInternal(outputs.Allocate(0, DataType::kUint8, Shape{}, 1).status()));
  ASSERT_TRUE(outputs.Allocate(0, DataType::kBytes, Shape{5}, 3).ok());
  EXPECT_TRUE(absl::IsInternal(outputs.Finish())) << "broken framing";
}

}  // namespace
}  // namespace tiffin::worker
