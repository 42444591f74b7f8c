#include "worker/torch/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "tests/unit/sanitized.h"
#include "tests/unit/worker/torch/tokenizer/tiny_tokenizer.h"
#include "worker/torch/tokenizer/tokenizer_file.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

Tokenizer Make(const json& file = TinyTokenizer()) {
  return *Tokenizer::Create(*ParseTokenizerJson(file));
}

std::vector<int64_t> Encode(std::string_view text, size_t max_length = 16,
                            const json& file = TinyTokenizer()) {
  return Make(file).Encode(text, max_length);
}

json AddedToken(std::string_view content, int64_t id, bool normalized) {
  return {{"content", content}, {"id", id}, {"normalized", normalized}};
}

TEST(TokenizerTest, WordsAndPunctuationBecomePiecesBetweenSpecialTokens) {
  EXPECT_THAT(Encode("Good,BADLY café"), ElementsAre(2, 4, 7, 5, 6, 8, 3));
  EXPECT_THAT(Encode("good中bad"), ElementsAre(2, 4, 9, 5, 3));
  EXPECT_THAT(Encode("good what?\tbad"), ElementsAre(2, 4, 1, 1, 5, 3));
}

TEST(TokenizerTest, AnEmptyTextIsTheSpecialTokensAlone) {
  EXPECT_THAT(Encode(""), ElementsAre(2, 3));
  EXPECT_THAT(Encode(" \t\r\n \u3000\u200B"), ElementsAre(2, 3));
}

TEST(TokenizerTest, WhatIsTooLongKeepsItsBeginning) {
  EXPECT_THAT(Encode("good bad good bad", 4), ElementsAre(2, 4, 5, 3));
  EXPECT_THAT(Encode("badly", 3), ElementsAre(2, 5, 3));
  EXPECT_THAT(Encode("good [SEP] bad", 4), ElementsAre(2, 4, 3, 3));
}

TEST(TokenizerTest, SpecialTokensInTheTextAreFoundAsTheyAreWritten) {
  EXPECT_THAT(Encode("good [SEP] bad[SEP]"), ElementsAre(2, 4, 3, 5, 3, 3));
  EXPECT_THAT(Encode("[sep]"), ElementsAre(2, 10, 12, 11, 3));
}

TEST(TokenizerTest, NormalizedTokensAreFoundInTheNormalForm) {
  json file = TinyTokenizer();
  file["added_tokens"].push_back(AddedToken("Good Café", 13, true));
  EXPECT_THAT(Encode("bad GOOD CAFE\u0301, good cafe", 16, file), ElementsAre(2, 5, 13, 7, 13, 3));
  file["added_tokens"].back()["normalized"] = false;
  EXPECT_THAT(Encode("good cafe Good Café", 16, file), ElementsAre(2, 4, 8, 13, 3));
}

TEST(TokenizerTest, ALongTextCostsNoMoreThanItsBeginning) {
  const Tokenizer tokenizer = Make();
  // With and without white space to cut at.
  for (const std::string piece : {"good café, 中 bad ", "!", "中"}) {
    std::string text;
    while (text.size() < (10 << 20)) text += piece;
    const auto start = std::chrono::steady_clock::now();

    const std::vector<int64_t> ids = tokenizer.Encode(text, 16);

    EXPECT_EQ(ids.size(), 16U);
    // The whole of it would take tens of seconds without optimisation, and minutes with a
    // sanitizer.
    const std::chrono::seconds limit(kSanitized ? 30 : 5);
    EXPECT_LT(std::chrono::steady_clock::now() - start, limit) << piece;
  }
}

TEST(TokenizerTest, TellsItsNumbers) {
  const Tokenizer tokenizer = Make();
  EXPECT_EQ(tokenizer.special_tokens(), 2U);
  EXPECT_EQ(tokenizer.padding(), 0);
  EXPECT_EQ(tokenizer.max_length(), 16);
  EXPECT_EQ(tokenizer.last_id(), 12);
}

}  // namespace
}  // namespace tiffin::worker
