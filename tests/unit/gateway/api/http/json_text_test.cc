#include "gateway/api/http/json_text.h"

#include <ctime>
#include <string>

#include "common/strings.h"
#include "gtest/gtest.h"

namespace tiffin::gateway::http {
namespace {

std::string ErrorOf(const std::string& text, UniqueKeys unique = UniqueKeys::kEverywhere) {
  return std::string(ParseJson(text, "the body", unique).status().message());
}

std::string Nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(JsonTextTest, ManyObjectsTakeNoLongerThanTheirLength) {
  constexpr size_t kObjects = 200'000;
  std::string text = "[{}";
  for (size_t i = 1; i < kObjects; ++i) text += ",{}";
  const std::clock_t start = std::clock();
  const auto parsed = ParseJson(text + "]", "the body", UniqueKeys::kEverywhere);
  const double cpu_seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->size(), kObjects);
  EXPECT_LT(cpu_seconds, 10);  // What looks at all for each takes longer.
}

TEST(JsonTextTest, ATextIsWhatItSays) {
  const auto parsed = ParseJson(R"({"a": [1, -2, 0.5, null, true, "x"], "b": {"a": {}}})",
                                "the body", UniqueKeys::kEverywhere);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, nlohmann::json::parse(R"({"a":[1,-2,0.5,null,true,"x"],"b":{"a":{}}})"));
}

TEST(JsonTextTest, WhatIsNoJsonIsAnError) {
  for (const char* text : {"", "{", "[1,", "{\"a\":}", "1e999", "\"\xFF\"", "[] []", "nul"}) {
    EXPECT_EQ(ErrorOf(text), "the body does not parse as JSON") << text;
  }
}

TEST(JsonTextTest, NestingHasALimit) {
  EXPECT_EQ(ErrorOf(Nested(100)), "");
  EXPECT_EQ(ErrorOf(Nested(101)), "the body nests lists and objects more than 100 deep");
  EXPECT_EQ(ErrorOf(std::string(1'000'000, '[')),
            "the body nests lists and objects more than 100 deep");
  EXPECT_EQ(ErrorOf(StrCat("\"", std::string(200, '['), "\"")), "");
}

TEST(JsonTextTest, AKeyIsThereOnce) {
  EXPECT_EQ(ErrorOf(R"({"a": 1, "a": 2})"), "'a' is given twice; send it once");
  EXPECT_EQ(ErrorOf(R"({"a": {"b": 1}, "b": [{"a": 1}, {"a": 2}]})"), "");
  const std::string below = R"({"a": [{"b": 1, "b": 2}]})";
  EXPECT_EQ(ErrorOf(below), "'b' is given twice; send it once");
  EXPECT_EQ(ErrorOf(below, UniqueKeys::kAtTop), "");
  EXPECT_EQ(ErrorOf(R"({"a": {"b": 1}, "a": 2})", UniqueKeys::kAtTop),
            "'a' is given twice; send it once");
}

}  // namespace
}  // namespace tiffin::gateway::http
