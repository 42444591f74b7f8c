#include "worker/torch/tokenizer/bert_normalizer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tiffin::worker {
namespace {

std::string Normalize(std::string_view text, BertNormalizerOptions options = {}) {
  absl::StatusOr<Decomposer> decomposer = Decomposer::Create();
  if (!decomposer.ok()) return decomposer.status().ToString();
  return BertNormalizer(options, *std::move(decomposer)).Normalize(text);
}

TEST(BertNormalizerTest, LettersAreLoweredAndLoseTheirAccents) {
  EXPECT_EQ(Normalize("Héllo WÖRLD"), "hello world");
  EXPECT_EQ(Normalize("İstanbul"), "istanbul");
  EXPECT_EQ(Normalize("ΣΊΣΥΦΟΣ"), "σισυφοσ");
  EXPECT_EQ(Normalize("Straße"), "straße");
}

TEST(BertNormalizerTest, ControlsAreDroppedAndWhiteSpaceBecomesSpaces) {
  EXPECT_EQ(Normalize("a\x01"
                      "b\tc\nd\x7F"),
            "ab c d");
  EXPECT_EQ(Normalize(std::string("a\0b", 3)), "ab");
  EXPECT_EQ(Normalize("a\u00ADb\uFFFDc\u3000d\u200De\uE000"), "abc de");
}

TEST(BertNormalizerTest, ChineseCharactersStandAlone) {
  EXPECT_EQ(Normalize("ab中文c"), "ab 中  文 c");
}

TEST(BertNormalizerTest, EachStepCanBeLeftOut) {
  EXPECT_EQ(Normalize("É\x01\u00AD中", {.clean_text = false}), "e\x01\u00AD 中 ");
  EXPECT_EQ(Normalize("A\x01 B", {.clean_text = false}), "a\x01 b");
  EXPECT_EQ(Normalize("É中", {.handle_chinese_chars = false}), "e中");
  EXPECT_EQ(Normalize("É İ", {.strip_accents = false}), "é i\u0307");
  EXPECT_EQ(Normalize("É A", {.lowercase = false}), "E A");
  EXPECT_EQ(Normalize("É A", {.strip_accents = false, .lowercase = false}), "É A");
}

}  // namespace
}  // namespace tiffin::worker
