#include "common/config/scalars.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace tiffin::config {
namespace {

YamlNode Plain(std::string text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.location = {1, 1};
  node.text = std::move(text);
  return node;
}

YamlNode InQuotes(std::string text) {
  YamlNode node = Plain(std::move(text));
  node.quoted = true;
  return node;
}

// Above 0.
keys::Number AtMost(double max) {
  return {.min = 0, .max = max, .min_is = keys::Number::Min::kExcluded};
}

// A yaml node as JSON, with its type told: 1 and 1.0 differ.
std::string JsonOf(const std::string& text) {
  Diagnostics diagnostics("f");
  const nlohmann::json json = ReadJson(Plain(text), diagnostics);
  return diagnostics.empty() ? json.dump() : diagnostics.ToString();
}

TEST(ReadJsonTest, FollowsTheCoreSchema) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"null", "null"},
      {"~", "null"},
      {"true", "true"},
      {"False", "false"},
      {"yes", "\"yes\""},
      {"off", "\"off\""},
      {"8", "8"},
      {"-3", "-3"},
      {"+3", "3"},
      {"007", "7"},
      {"0o17", "15"},
      {"0xfF", "255"},
      {"0.0625", "0.0625"},
      {"1e3", "1000.0"},
      {".5", "0.5"},
      {"2.", "2.0"},
      {"1.0", "1.0"},
      {"1.2.3", "\"1.2.3\""},
      {"1e", "\"1e\""},
      {"0x", "\"0x\""},
      {"-", "\"-\""},
      {".", "\".\""},
      {"gray", "\"gray\""},
      {"1_000", "\"1_000\""},
      {"18446744073709551615", "18446744073709551615"},
      {"0x8000000000000000", "9223372036854775808"},
      {"12:30", "\"12:30\""},
      {"nan", "\"nan\""}};
  for (const auto& [yaml, json] : cases) EXPECT_EQ(JsonOf(yaml), json) << yaml;
}

TEST(ReadJsonTest, RefusesNumbersThatJsonCannotHold) {
  EXPECT_EQ(JsonOf(".inf"),
            "f:1:1: the number '.inf' is not finite; write a finite one, or put it "
            "in quotes if it is text");
  EXPECT_EQ(JsonOf("-.INF").find("f:1:1: the number '-.INF' is not finite"), 0u);
  EXPECT_EQ(JsonOf(".nan").find("f:1:1: the number '.nan' is not finite"), 0u);
  EXPECT_EQ(JsonOf("1e999").find("f:1:1: the number '1e999' is too large"), 0u);
  EXPECT_EQ(JsonOf("18446744073709551616").find("f:1:1: the number"), 0u);
  EXPECT_EQ(JsonOf("0x10000000000000000").find("f:1:1: the number"), 0u);
}

TEST(ReadJsonTest, QuotedIsText) {
  Diagnostics diagnostics("f");
  for (const std::string text : {"8", "true", "null", "", ".inf"}) {
    EXPECT_EQ(ReadJson(InQuotes(text), diagnostics), nlohmann::json(text));
  }
  EXPECT_TRUE(diagnostics.empty());
}

TEST(ReadIntegerTest, HoldsItsRange) {
  Diagnostics diagnostics("f");
  EXPECT_EQ(ReadInteger(Plain("1"), "'n'", {1, 64}, diagnostics), 1);
  EXPECT_EQ(ReadInteger(Plain("64"), "'n'", {1, 64}, diagnostics), 64);
  EXPECT_TRUE(diagnostics.empty());
  for (const std::string text : {"0", "65", "-1", "1.0", "x", "18446744073709551615", ".inf"}) {
    Diagnostics wrong("f");
    EXPECT_EQ(ReadInteger(Plain(text), "'n'", {1, 64}, wrong), std::nullopt);
    EXPECT_EQ(wrong.ToString(),
              "f:1:1: 'n' must be a whole number from 1 to 64, not '" + text + "'");
  }
  EXPECT_EQ(ReadInteger(InQuotes("3"), "'n'", {1, 64}, diagnostics), std::nullopt);
  EXPECT_EQ(diagnostics.ToString(),
            "f:1:1: 'n' must be a whole number from 1 to 64, not the text '3'");
}

TEST(ReadNumberTest, TakesWholeAndBrokenNumbers) {
  Diagnostics diagnostics("f");
  EXPECT_EQ(ReadNumber(Plain("1"), "'cpu'", AtMost(8), diagnostics), 1.0);
  EXPECT_EQ(ReadNumber(Plain("0.5"), "'cpu'", AtMost(8), diagnostics), 0.5);
  EXPECT_TRUE(diagnostics.empty());
  for (const std::string text : {"0", "-1", "8.5", ".inf", ".nan", "two"}) {
    Diagnostics wrong("f");
    EXPECT_EQ(ReadNumber(Plain(text), "'cpu'", AtMost(8), wrong), std::nullopt);
    EXPECT_EQ(wrong.ToString(),
              "f:1:1: 'cpu' must be a number above 0, at most 8, not '" + text + "'");
  }
}

TEST(ReadDurationTest, TakesANumberWithItsUnit) {
  Diagnostics diagnostics("f");
  EXPECT_EQ(ReadDuration(Plain("2us"), "'t'", diagnostics), absl::Microseconds(2));
  EXPECT_EQ(ReadDuration(Plain("50ms"), "'t'", diagnostics), absl::Milliseconds(50));
  EXPECT_EQ(ReadDuration(Plain("1.5s"), "'t'", diagnostics), absl::Milliseconds(1500));
  EXPECT_EQ(ReadDuration(Plain("1m"), "'t'", diagnostics), absl::Minutes(1));
  EXPECT_EQ(ReadDuration(InQuotes("24h"), "'t'", diagnostics), absl::Hours(24));
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.ToString();
}

TEST(ReadDurationTest, RefusesEverythingElse) {
  for (const std::string text :
       {"10", "s", "10 s", "-1s", "1s30", "1m30s", "1.2.3s", "inf", "10S", "1e3s", ".s", "5ns"}) {
    Diagnostics wrong("f");
    EXPECT_EQ(ReadDuration(Plain(text), "'t'", wrong), std::nullopt) << text;
    EXPECT_EQ(wrong.ToString(),
              "f:1:1: 't' must be a number with its unit (us, ms, s, m, h), such "
              "as 10s or 50ms, not '" +
                  text + "'");
  }
  for (const std::string text : {"0s", "0.0ms", "25h", "99999999999999999999h"}) {
    Diagnostics wrong("f");
    EXPECT_EQ(ReadDuration(Plain(text), "'t'", wrong), std::nullopt) << text;
    EXPECT_EQ(wrong.ToString(), "f:1:1: 't' must be above 0 and at most 24h, not '" + text + "'");
  }
}

TEST(ReadTest, SaysNothingOfWhatIsReportedAlready) {
  YamlNode broken;
  broken.kind = YamlNode::Kind::kBroken;
  Diagnostics diagnostics("f");
  EXPECT_EQ(ReadText(broken, "'t'", diagnostics), std::nullopt);
  EXPECT_EQ(ReadInteger(broken, "'t'", {0, 1}, diagnostics), std::nullopt);
  EXPECT_EQ(ReadNumber(broken, "'t'", AtMost(1), diagnostics), std::nullopt);
  EXPECT_EQ(ReadDuration(broken, "'t'", diagnostics), std::nullopt);
  EXPECT_TRUE(ReadJson(broken, diagnostics).is_null());
  EXPECT_TRUE(diagnostics.empty());
}

}  // namespace
}  // namespace tiffin::config
