#include "gateway/dispatch/pieced_results.h"

#include <string>
#include <vector>

#include "common/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"
#include "tests/unit/common/session/piece.h"

namespace tiffin::gateway {
namespace {

using ::testing::SizeIs;

constexpr uint64_t kSegment = 64 << 10;

// A result whose outputs, of these sizes, are to come.
worker::v1::Result Promise(uint64_t call, const std::vector<uint64_t>& sizes) {
  worker::v1::Result result;
  result.set_call(call);
  for (const uint64_t size : sizes) {
    worker::v1::Tensor& tensor = *result.add_outputs();
    tensor.set_size(size);
    tensor.set_in_pieces(true);
  }
  return result;
}

// With memory for one segment.
class PiecedResultsTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  metrics::GatewayMetrics metrics_;
  SegmentNames names_;
  GatewayMemory memory_{{.first_segment = kSegment, .largest_segment = kSegment, .total = kSegment},
                        clock_,
                        names_,
                        metrics_};
  PiecedResults results_{memory_};
};

TEST_F(PiecedResultsTest, AResultIsWholeWithTheLastPieceOfAllItsOutputs) {
  ASSERT_TRUE(results_.Expect(Promise(5, {3, 4})).ok());

  EXPECT_FALSE(results_.Add(session::MakePiece(5, 1, "wxyz")).value().has_value());
  EXPECT_FALSE(results_.Add(session::MakePiece(5, 0, "ab")).value().has_value());
  const auto whole = results_.Add(session::MakePiece(5, 0, "c")).value();

  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->result.call(), 5U);
  ASSERT_THAT(whole->outputs, SizeIs(2));
  EXPECT_EQ(AsStringView(whole->outputs[0]->Bytes().value()), "abc");
  EXPECT_EQ(AsStringView(whole->outputs[1]->Bytes().value()), "wxyz");
  EXPECT_TRUE(absl::IsInternal(results_.Add(session::MakePiece(5, 0, "d")).status()));
}

TEST_F(PiecedResultsTest, WithoutRoomThePiecesAreTakenToNowhereUntilTheWorkerStops) {
  EXPECT_TRUE(absl::IsResourceExhausted(results_.Expect(Promise(5, {3, 2 * kSegment}))));

  EXPECT_FALSE(results_.Add(session::MakePiece(5, 0, "abc")).value().has_value());
  EXPECT_TRUE(results_.Stopped(5).ok());
  EXPECT_EQ(metrics_.tensor_bytes.value(), 0);
}

TEST_F(PiecedResultsTest, WhatIsDiscardedKeepsNoMemory) {
  ASSERT_TRUE(results_.Expect(Promise(5, {kSegment})).ok());
  ASSERT_TRUE(absl::IsResourceExhausted(results_.Expect(Promise(6, {kSegment}))));

  EXPECT_TRUE(results_.Discard(5));

  EXPECT_FALSE(results_.Discard(5));
  EXPECT_TRUE(results_.Expect(Promise(7, {kSegment})).ok());
  EXPECT_FALSE(results_.Add(session::MakePiece(5, 0, "abc")).value().has_value());
}

TEST_F(PiecedResultsTest, WhatIsSkippedMayComeWhole) {
  ASSERT_TRUE(results_.Skip(Promise(5, {3})).ok());

  EXPECT_FALSE(results_.Discard(5));
  EXPECT_FALSE(results_.Add(session::MakePiece(5, 0, "abc")).value().has_value());
  EXPECT_TRUE(absl::IsInternal(results_.Stopped(5))) << "nothing is left to come";
}

TEST_F(PiecedResultsTest, AWorkerCanNotStopWhatIsWantedNorWhatItNeverPromised) {
  ASSERT_TRUE(results_.Expect(Promise(5, {3})).ok());

  EXPECT_TRUE(absl::IsInternal(results_.Stopped(5)));
  EXPECT_TRUE(absl::IsInternal(results_.Stopped(6)));
}

TEST_F(PiecedResultsTest, APromiseIsMadeOnce) {
  ASSERT_TRUE(results_.Expect(Promise(5, {3})).ok());

  EXPECT_TRUE(absl::IsInternal(results_.Expect(Promise(5, {3}))));
  EXPECT_TRUE(absl::IsInternal(results_.Skip(Promise(5, {3}))));
}

}  // namespace
}  // namespace tiffin::gateway
