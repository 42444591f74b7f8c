#include "common/session/incoming_pieces.h"

#include <string>

#include "common/session/frames.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/session/piece.h"

namespace tiffin::session {
namespace {

class IncomingPiecesTest : public ::testing::Test {
 protected:
  std::byte* To(std::string& memory) { return reinterpret_cast<std::byte*>(memory.data()); }

  std::string first_ = std::string(6, '-');
  std::string second_ = std::string(3, '-');
  IncomingPieces pieces_;
};

TEST_F(IncomingPiecesTest, TensorsArePutTogetherInWhateverOrderTheyTakeTurns) {
  ASSERT_TRUE(pieces_
                  .Expect(5, {{.tensor = 0, .to = To(first_), .size = 6},
                              {.tensor = 2, .to = To(second_), .size = 3}})
                  .ok());

  EXPECT_EQ(pieces_.Add(MakePiece(5, 0, "abc")).value(), false);
  EXPECT_EQ(pieces_.Add(MakePiece(5, 2, "xyz")).value(), false);
  EXPECT_EQ(pieces_.Add(MakePiece(5, 0, "d")).value(), false);
  EXPECT_EQ(pieces_.Add(MakePiece(5, 0, "ef")).value(), true);

  EXPECT_EQ(first_, "abcdef");
  EXPECT_EQ(second_, "xyz");
  EXPECT_FALSE(pieces_.Forget(5));
}

TEST_F(IncomingPiecesTest, LiesAreErrors) {
  ASSERT_TRUE(pieces_.Expect(5, {{.tensor = 1, .to = To(first_), .size = 6}}).ok());

  EXPECT_FALSE(pieces_.Expect(5, {{.tensor = 0, .to = To(second_), .size = 3}}).ok()) << "twice";
  EXPECT_FALSE(pieces_.Expect(6, {{.tensor = 0, .to = To(second_), .size = 0}}).ok()) << "empty";
  EXPECT_FALSE(pieces_.Add(MakePiece(6, 1, "abc")).ok()) << "of another call";
  EXPECT_FALSE(pieces_.Add(MakePiece(5, 0, "abc")).ok()) << "of another tensor";
  EXPECT_FALSE(pieces_.Add(MakePiece(5, 1, "")).ok()) << "of nothing";
  EXPECT_FALSE(pieces_.Add(MakePiece(5, 1, "abcdefg")).ok()) << "of more than was to come";
  EXPECT_EQ(first_, "------");
}

TEST_F(IncomingPiecesTest, APieceHasALimit) {
  std::string memory(2 * kMaxPiece, '-');
  ASSERT_TRUE(pieces_.Expect(5, {{.tensor = 0, .to = To(memory), .size = memory.size()}}).ok());

  EXPECT_FALSE(pieces_.Add(MakePiece(5, 0, std::string(kMaxPiece + 1, 'a'))).ok());
  EXPECT_TRUE(pieces_.Add(MakePiece(5, 0, std::string(kMaxPiece, 'a'))).ok());
}

TEST_F(IncomingPiecesTest, WhatIsDiscardedIsNotWrittenAndEndsAllTheSame) {
  ASSERT_TRUE(pieces_.Expect(5, {{.tensor = 0, .to = To(first_), .size = 6}}).ok());
  ASSERT_TRUE(pieces_.Add(MakePiece(5, 0, "ab")).ok());

  EXPECT_TRUE(pieces_.Discard(5));
  EXPECT_EQ(pieces_.Add(MakePiece(5, 0, "cd")).value(), false);
  EXPECT_EQ(pieces_.Add(MakePiece(5, 0, "ef")).value(), true);

  EXPECT_EQ(first_, "ab----");
  EXPECT_FALSE(pieces_.Discard(5));
}

TEST_F(IncomingPiecesTest, OfWhatIsForgottenNothingMayCome) {
  ASSERT_TRUE(pieces_.Expect(5, {{.tensor = 0, .to = nullptr, .size = 6}}).ok());

  EXPECT_TRUE(pieces_.Forget(5));

  EXPECT_FALSE(pieces_.Add(MakePiece(5, 0, "ab")).ok());
}

TEST_F(IncomingPiecesTest, PromisesAreCounted) {
  for (uint64_t call = 0; call < IncomingPieces::kMaxCalls; ++call) {
    ASSERT_TRUE(pieces_.Expect(call, {{.tensor = 0, .to = nullptr, .size = 1}}).ok());
  }

  EXPECT_FALSE(
      pieces_.Expect(IncomingPieces::kMaxCalls, {{.tensor = 0, .to = nullptr, .size = 1}}).ok());
}

}  // namespace
}  // namespace tiffin::session
