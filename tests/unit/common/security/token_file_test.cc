#include "common/security/token_file.h"

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::security {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Of "hello".
constexpr char kHello[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

std::string ErrorOf(const std::string& yaml) {
  const absl::Status status = ParseTokens(yaml, "tokens.yaml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << yaml;
  return std::string(Message(status));
}

TEST(TokenFileTest, ReadsWhatTokenLineWrites) {
  const TokenEntry entry{.name = "ops", .services = {"digits", "*"}, .digest = DigestOf("hello")};
  const std::string line = TokenLine(entry);
  EXPECT_EQ(line, StrCat("- {name: ops, services: [digits, \"*\"], sha256: ", kHello, "}\n"));
  const auto read = ParseTokens("# who may what\n" + line, "f");
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ(read->front().name, "ops");
  EXPECT_THAT(read->front().services, ElementsAre("digits", "*"));
  EXPECT_EQ(read->front().digest, DigestOf("hello"));
}

TEST(TokenFileTest, ReadsBlocksCapitalsAndDigestsThatLookLikeNumbers) {
  const std::string digits(64, '7');
  const auto read =
      ParseTokens(StrCat("- name: a-b.C_1\n  services:\n    - /metrics\n  sha256: ", digits,
                         "\n- {name: b, services: [x], sha256: ",
                         "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824}\n"),
                  "f");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->front().digest[0], 0x77);
  EXPECT_EQ(read->back().digest, DigestOf("hello"));
}

TEST(TokenFileTest, AnEmptyListIsAListAnEmptyFileIsNone) {
  ASSERT_TRUE(ParseTokens("[]\n", "f").ok());
  EXPECT_THAT(ErrorOf(""), AllOf(HasSubstr("tokens.yaml:1:1"), HasSubstr("[]")));
  EXPECT_THAT(ErrorOf("# nothing\n"), HasSubstr("empty"));
}

TEST(TokenFileTest, EverythingThatIsWrongIsToldWithItsPlace) {
  const std::string error =
      ErrorOf(StrCat("- {name: 'a b', services: [digits], sha256: ", kHello, "}\n",
                     "- {name: c, services: [Digits, /other], sha256: short}\n",
                     "- {name: d, services: [], sha256: ", kHello, ", extra: 1}\n", "- 5\n"));
  EXPECT_THAT(error, AllOf(HasSubstr("tokens.yaml:1:10: 'name' must have"),
                           HasSubstr("tokens.yaml:2:24: a service has the name"),
                           HasSubstr("tokens.yaml:2:32: a service has the name"),
                           HasSubstr("tokens.yaml:2:49: 'sha256' must be")));
  EXPECT_THAT(error, AllOf(HasSubstr("'services' must be a list"), HasSubstr("extra"),
                           HasSubstr("this token is there already"), HasSubstr("tokens.yaml:4:3")));
}

TEST(TokenFileTest, NamesAreUnique) {
  EXPECT_THAT(
      ErrorOf(StrCat("- {name: a, services: [x], sha256: ", kHello,
                     "}\n- {name: a, services: [x], sha256: ", std::string(64, '0'), "}\n")),
      HasSubstr("another token 'a'"));
}

TEST(TokenFileTest, MissingKeysAreToldOf) {
  EXPECT_THAT(ErrorOf("- {name: a}\n"), AllOf(HasSubstr("services"), HasSubstr("sha256")));
  EXPECT_THAT(ErrorOf("name: a\n"), HasSubstr("is a list"));
}

TEST(TokenFileTest, ATokenInPlaceOfItsDigestIsNotRepeated) {
  EXPECT_THAT(ErrorOf("- {name: a, services: [x], sha256: tiffin_verysecret}\n"),
              Not(HasSubstr("verysecret")));
}

TEST(TokenFileTest, AFileThatHoldsATokenIsNotRepeated) {
  EXPECT_THAT(ErrorOf("tiffin_very_secret\n"),
              AllOf(HasSubstr("a token itself"), Not(HasSubstr("secret"))));
}

TEST(TokenFileTest, TokensAreLongAndDiffer) {
  const std::string token = MakeToken();
  EXPECT_THAT(token, ::testing::StartsWith("tiffin_"));
  EXPECT_GE(token.size(), 50U);
  EXPECT_EQ(
      token.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"),
      std::string::npos);
  EXPECT_NE(token, MakeToken());
}

}  // namespace
}  // namespace tiffin::security
