#include "worker/torch/tokenizer/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tiffin::worker {
namespace {

using ::testing::ElementsAre;

// The parts of `text`: texts in quotes, tokens as numbers.
std::vector<std::string> Parts(std::vector<AddedToken> tokens, std::string_view text) {
  const AddedTokens added(std::move(tokens));
  AddedTokens::Parts parts(added, text);
  std::vector<std::string> list;
  while (const std::optional<AddedTokens::Part> part = parts.Next()) {
    list.push_back(part->id.has_value() ? std::to_string(*part->id)
                                        : "'" + std::string(part->text) + "'");
  }
  return list;
}

TEST(AddedTokensTest, ATextIsTakenApart) {
  const std::vector<AddedToken> tokens = {{.content = "[SEP]", .id = 1}};
  EXPECT_THAT(Parts(tokens, "a [SEP] b"), ElementsAre("'a '", "1", "' b'"));
  EXPECT_THAT(Parts(tokens, "[SEP][SEP]x"), ElementsAre("1", "1", "'x'"));
  EXPECT_THAT(Parts(tokens, "[SEP"), ElementsAre("'[SEP'"));
  EXPECT_THAT(Parts(tokens, ""), ElementsAre());
  EXPECT_THAT(Parts({}, "a"), ElementsAre("'a'"));
}

TEST(AddedTokensTest, OfTwoThatBeginTogetherTheLongerIsFound) {
  EXPECT_THAT(Parts({{.content = "<a", .id = 1}, {.content = "<ab>", .id = 2}}, "<ab><a"),
              ElementsAre("2", "1"));
}

TEST(AddedTokensTest, ASingleWordIsTouchedByNoLetter) {
  const std::vector<AddedToken> tokens = {{.content = "foo", .id = 1, .single_word = true}};
  EXPECT_THAT(Parts(tokens, "foo, foobar éfoo -foo"), ElementsAre("1", "', foobar éfoo -'", "1"));
}

TEST(AddedTokensTest, WhiteSpaceAroundATokenGoesWithIt) {
  EXPECT_THAT(Parts({{.content = "X", .id = 1, .strips_left = true}}, "a \u3000X b"),
              ElementsAre("'a'", "1", "' b'"));
  EXPECT_THAT(Parts({{.content = "X", .id = 1, .strips_right = true}}, "a X \u3000b"),
              ElementsAre("'a '", "1", "'b'"));
  EXPECT_THAT(
      Parts({{.content = "X", .id = 1, .strips_left = true, .strips_right = true}}, " X X "),
      ElementsAre("1", "1"));
}

}  // namespace
}  // namespace tiffin::worker
