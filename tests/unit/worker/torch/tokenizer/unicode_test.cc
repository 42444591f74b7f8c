#include "worker/torch/tokenizer/unicode.h"

#include <gtest/gtest.h>

#include <string>

namespace tiffin::worker {
namespace {

TEST(UnicodeTest, Utf8IsDecodedAndWrittenBack) {
  const std::string text = "aé한\xF0\x9F\x99\x82";
  std::u32string decoded;
  std::string written;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = DecodeAt(text, i);
    decoded.push_back(c.value);
    AppendUtf8(c.value, written);
    i += c.size;
  }
  EXPECT_EQ(decoded, U"a\u00E9\uD55C\U0001F642");
  EXPECT_EQ(written, text);
}

TEST(UnicodeTest, ValidUtf8IsMeasuredUpToTheFirstFault) {
  EXPECT_EQ(ValidUtf8Size(""), 0U);
  EXPECT_EQ(ValidUtf8Size("aé"), 3U);
  EXPECT_EQ(ValidUtf8Size(std::string("a\0b", 3)), 3U);
  EXPECT_EQ(ValidUtf8Size("ab\xFF"), 2U);
  EXPECT_EQ(ValidUtf8Size("ab\xC3"), 2U) << "cut";
  EXPECT_EQ(ValidUtf8Size("\xC0\x80"), 0U) << "longer than need be";
  EXPECT_EQ(ValidUtf8Size("\xED\xA0\x80"), 0U) << "a surrogate";
  EXPECT_EQ(ValidUtf8Size("\xF4\x90\x80\x80"), 0U) << "beyond U+10FFFF";
}

TEST(UnicodeTest, CharactersHaveTheClassesOfUnicode8) {
  EXPECT_TRUE(IsPunctuation('$')) << "a symbol, but of ASCII";
  EXPECT_TRUE(IsPunctuation(U'\u3002'));
  EXPECT_FALSE(IsPunctuation(U'\u20AC')) << "the euro sign";
  EXPECT_TRUE(IsPunctuation(U'\u166D')) << "was punctuation then";
  EXPECT_FALSE(IsPunctuation(U'\u2E43')) << "came with Unicode 9";
  EXPECT_TRUE(IsNonspacingMark(U'\u0301'));
  EXPECT_FALSE(IsNonspacingMark(U'\u08D4')) << "came with Unicode 9";
  EXPECT_TRUE(IsControl(0));
  EXPECT_TRUE(IsControl(U'\u00AD')) << "a soft hyphen";
  EXPECT_TRUE(IsControl(U'\uE000')) << "private use";
  EXPECT_FALSE(IsControl('\t'));
  EXPECT_FALSE(IsControl(U'\u0378')) << "unassigned";
  EXPECT_TRUE(IsWhitespace(U'\u3000'));
  EXPECT_TRUE(IsWhitespace('\v'));
  EXPECT_FALSE(IsWhitespace(U'\u200B')) << "has no width";
  EXPECT_TRUE(IsChinese(U'\u4E2D'));
  EXPECT_FALSE(IsChinese(U'\u3042')) << "hiragana";
}

TEST(UnicodeTest, LowerCaseIsThatOfEachCharacterAlone) {
  std::string lower;
  for (const char32_t c : U"A\u00C9\u03A3\u0130\u1E9E") {
    if (c != 0) AppendLowerCase(c, lower);
  }
  EXPECT_EQ(lower, "aéσi\u0307ß");
}

TEST(DecomposerTest, DecomposesWhatUnicode9Knew) {
  const absl::StatusOr<Decomposer> decomposer = Decomposer::Create();
  ASSERT_TRUE(decomposer.ok()) << decomposer.status();
  EXPECT_EQ(decomposer->Decompose("é"), "e\u0301");
  EXPECT_EQ(decomposer->Decompose("한"), "\u1112\u1161\u11AB");
  EXPECT_EQ(decomposer->Decompose("a\u0301\u0323"), "a\u0323\u0301") << "in canonical order";
  EXPECT_EQ(decomposer->Decompose("\U00011938"), "\U00011938") << "came with Unicode 13";
}

}  // namespace
}  // namespace tiffin::worker
