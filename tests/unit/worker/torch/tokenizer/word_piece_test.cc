#include "worker/torch/tokenizer/word_piece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tiffin::worker {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kUnknown = 1;

WordPieceOptions Options() {
  WordPieceOptions options;
  options.vocabulary = {{"[UNK]", kUnknown}, {"un", 2}, {"##aff", 3}, {"##able", 4}, {"una", 5},
                        {"##f", 6},          {"é", 7},  {"##é", 8},   {"a", 9},      {"##a", 10}};
  options.unknown = kUnknown;
  return options;
}

std::vector<int64_t> Pieces(std::string_view word, WordPieceOptions options = Options()) {
  std::vector<int64_t> ids;
  WordPiece(std::move(options)).AppendPieces(word, ids);
  return ids;
}

TEST(WordPieceTest, TheLongestPieceComesFirst) {
  EXPECT_THAT(Pieces("una"), ElementsAre(5));
  EXPECT_THAT(Pieces("unaffable"), ElementsAre(5, 6, 6, 4));
  EXPECT_THAT(Pieces("éé"), ElementsAre(7, 8));
}

TEST(WordPieceTest, AWordThatCannotBeSpelledWholeIsUnknown) {
  EXPECT_THAT(Pieces("unx"), ElementsAre(kUnknown));
  EXPECT_THAT(Pieces("x"), ElementsAre(kUnknown));
  // The last byte of one character and the first of the next are no piece.
  EXPECT_THAT(Pieces("aè"), ElementsAre(kUnknown));
}

TEST(WordPieceTest, LongWordsAreUnknownCountedInCharacters) {
  WordPieceOptions options = Options();
  options.max_word_length = 3;
  EXPECT_THAT(Pieces("ééé", options), ElementsAre(7, 8, 8));
  EXPECT_THAT(Pieces("éééé", options), ElementsAre(kUnknown));
  EXPECT_THAT(Pieces("aaaa", options), ElementsAre(kUnknown));
}

TEST(WordPieceTest, ThePrefixIsTheVocabularysOwn) {
  WordPieceOptions options = Options();
  options.vocabulary.emplace("@é", 11);
  options.continuing_prefix = "@";
  EXPECT_THAT(Pieces("aé", options), ElementsAre(9, 11));
  EXPECT_THAT(Pieces("aa", options), ElementsAre(kUnknown));
  options.continuing_prefix = "";
  EXPECT_THAT(Pieces("aé", options), ElementsAre(9, 7));
}

}  // namespace
}  // namespace tiffin::worker
