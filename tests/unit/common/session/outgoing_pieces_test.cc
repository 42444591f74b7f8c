#include "common/session/outgoing_pieces.h"

#include <string>
#include <vector>

#include "common/session/frames.h"
#include "common/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<uint64_t> CallsOf(const worker::v1::Frames& message) {
  std::vector<uint64_t> calls;
  for (const auto& frame : message.frames()) calls.push_back(frame.piece().call());
  return calls;
}

OutgoingTensor Tensor(uint64_t call, const std::shared_ptr<std::string>& bytes) {
  return {.call = call, .tensor = 3, .bytes = AsBytes(*bytes), .keeper = bytes};
}

TEST(OutgoingPiecesTest, ATensorGoesInPiecesInOrder) {
  const auto bytes = std::make_shared<std::string>(2 * kMaxPiece + 1, 'a');
  bytes->back() = 'z';
  OutgoingPieces pieces;
  pieces.Add(Tensor(7, bytes));

  std::string all;
  for (int message = 0; message < 3; ++message) {
    worker::v1::Frames frames;
    const auto done = pieces.MoveTo(frames);
    EXPECT_THAT(done, SizeIs(message == 2 ? 1 : 0));
    ASSERT_EQ(frames.frames_size(), 1);
    EXPECT_EQ(frames.frames(0).piece().call(), 7U);
    EXPECT_EQ(frames.frames(0).piece().tensor(), 3U);
    EXPECT_LE(frames.frames(0).piece().data().size(), kMaxPiece);
    all += frames.frames(0).piece().data();
  }

  EXPECT_TRUE(all == *bytes);
  worker::v1::Frames nothing;
  EXPECT_THAT(pieces.MoveTo(nothing), IsEmpty());
  EXPECT_EQ(nothing.frames_size(), 0);
}

TEST(OutgoingPiecesTest, ASmallOneDoesNotWaitForALargeOne) {
  const auto large = std::make_shared<std::string>(10 * kMaxPiece, 'a');
  const auto small = std::make_shared<std::string>(1000, 'b');
  OutgoingPieces pieces;
  pieces.Add(Tensor(1, large));
  pieces.Add(Tensor(2, small));

  worker::v1::Frames first;
  EXPECT_THAT(pieces.MoveTo(first), IsEmpty());
  worker::v1::Frames second;
  EXPECT_THAT(pieces.MoveTo(second), ElementsAre(small));

  EXPECT_THAT(CallsOf(first), ElementsAre(1));
  EXPECT_THAT(CallsOf(second), ElementsAre(2, 1));
}

TEST(OutgoingPiecesTest, ManySmallOnesShareAMessage) {
  const auto small = std::make_shared<std::string>(1000, 'b');
  OutgoingPieces pieces;
  for (uint64_t call = 1; call <= 5; ++call) pieces.Add(Tensor(call, small));

  worker::v1::Frames message;
  EXPECT_THAT(pieces.MoveTo(message), SizeIs(5));

  EXPECT_THAT(CallsOf(message), ElementsAre(1, 2, 3, 4, 5));
}

TEST(OutgoingPiecesTest, WhatIsDroppedIsLetGoOf) {
  const auto bytes = std::make_shared<std::string>(10 * kMaxPiece, 'a');
  OutgoingPieces pieces;
  pieces.Add(Tensor(1, bytes));
  pieces.Add(Tensor(2, bytes));

  EXPECT_THAT(pieces.Drop(1), ElementsAre(bytes));
  EXPECT_THAT(pieces.Drop(1), IsEmpty());

  worker::v1::Frames message;
  EXPECT_THAT(pieces.MoveTo(message), IsEmpty());
  EXPECT_THAT(CallsOf(message), ElementsAre(2));
  EXPECT_THAT(pieces.DropAll(), ElementsAre(bytes));
  EXPECT_EQ(bytes.use_count(), 1);
}

}  // namespace
}  // namespace tiffin::session
