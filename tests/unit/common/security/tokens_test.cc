#include "common/security/tokens.h"

#include <filesystem>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/log/log_capture.h"
#include "tests/unit/common/security/made_certificates.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::security {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TokensTest : public ::testing::Test {
 protected:
  std::unique_ptr<Tokens> Make(const std::string& text) const {
    WriteFile(file_, text);
    auto made = Tokens::Create(file_);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  static std::string Line(const std::string& name, std::vector<std::string> services,
                          const std::string& token) {
    return TokenLine({.name = name, .services = std::move(services), .digest = DigestOf(token)});
  }
  static absl::StatusOr<std::shared_ptr<const Caller>> Ask(
      const Tokens& tokens, const std::vector<std::string_view>& values) {
    return tokens.Authenticate(values);
  }
  void Replace(const std::string& text) const {
    WriteFile(file_ + ".new", text);
    std::filesystem::rename(file_ + ".new", file_);
  }

  TemporaryFolder folder_;
  const std::string file_ = folder_.path() + "/tokens.yaml";
  log::LogCapture log_;
};

TEST_F(TokensTest, KnowsWhoseATokenIsAndWhatItIsFor) {
  const auto tokens = Make(Line("one", {"digits"}, "token-1") + Line("two", {"*"}, "token-2"));
  const auto one = Ask(*tokens, {"Bearer token-1"});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ((*one)->name, "one");
  EXPECT_TRUE((*one)->May("digits"));
  EXPECT_FALSE((*one)->May("other"));
  EXPECT_FALSE((*one)->May(kMetrics));
  const auto two = Ask(*tokens, {"bearer   token-2 "});
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_TRUE((*two)->May("anything") && (*two)->May(kMetrics) && (*two)->may_all);
}

TEST_F(TokensTest, RefusesAllElseAndRepeatsNothingOfIt) {
  const auto tokens = Make(Line("one", {"digits"}, "token-1"));
  for (const std::vector<std::string_view>& values :
       std::vector<std::vector<std::string_view>>{{},
                                                  {""},
                                                  {"token-1"},
                                                  {"Basic token-1"},
                                                  {"Bearer"},
                                                  {"Bearer "},
                                                  {"Bearer token-12"},
                                                  {"Bearer token-"},
                                                  {"Bearer Token-1"},
                                                  {"Bearer token-1", "Bearer token-1"}}) {
    const absl::Status status = Ask(*tokens, values).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
    EXPECT_THAT(std::string(Message(status)), Not(HasSubstr("oken-1")));
  }
}

TEST_F(TokensTest, WhatIsReplacedIsReadAgain) {
  const auto tokens = Make(Line("one", {"digits"}, "token-1"));
  const auto under_way = Ask(*tokens, {"Bearer token-1"});
  Replace(Line("two", {"digits"}, "token-2"));
  tokens->Look();
  tokens->Look();
  EXPECT_FALSE(Ask(*tokens, {"Bearer token-1"}).ok());
  EXPECT_TRUE(Ask(*tokens, {"Bearer token-2"}).ok());
  EXPECT_EQ((*under_way)->name, "one");
  EXPECT_THAT(log_.text(), HasSubstr("1 tokens"));
}

TEST_F(TokensTest, ABrokenReplacementIsAnErrorInTheLogAndNotUsed) {
  const auto tokens = Make(Line("one", {"digits"}, "token-1"));
  Replace("- {name: one}\n");
  tokens->Look();
  tokens->Look();
  EXPECT_TRUE(Ask(*tokens, {"Bearer token-1"}).ok());
  EXPECT_THAT(log_.text(), HasSubstr("error the new tokens are not used"));
  std::filesystem::remove(file_);
  tokens->Look();
  tokens->Look();
  EXPECT_TRUE(Ask(*tokens, {"Bearer token-1"}).ok());
  Replace("[]\n");
  tokens->Look();
  tokens->Look();
  EXPECT_FALSE(Ask(*tokens, {"Bearer token-1"}).ok());
}

TEST_F(TokensTest, AServiceThatIsNotServedIsWarnedOf) {
  const auto tokens = Make(Line("one", {"digist", "/metrics", "*"}, "token-1"));
  const std::vector<std::string> services = {"digits"};
  tokens->WarnOfOthers(services);
  EXPECT_THAT(log_.text(), HasSubstr("the token 'one' is for a service 'digist'"));
  EXPECT_THAT(log_.text(), Not(HasSubstr("metrics")));
}

TEST_F(TokensTest, AMissingFileIsAnError) {
  const absl::Status status = Tokens::Create(file_).status();
  EXPECT_THAT(std::string(Message(status)), HasSubstr("--tokens '" + file_ + "': No such file"));
}

}  // namespace
}  // namespace tiffin::security
