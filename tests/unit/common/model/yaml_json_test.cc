#include "common/model/yaml_json.h"

#include <cstdint>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::model {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  return std::string(YamlToJson("m.yaml", text).status().message());
}

TEST(YamlJsonTest, PlainScalarsGetTheirTypes) {
  const auto json = YamlToJson("m.yaml",
                               "{a: 1, b: -2.5e3, c: true, d: null, e: word, f: 1.2.3, g: +4, "
                               "h: .5, i: '7', j: \"true\", k: 18446744073709551615, l: -, m: ~}");

  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json, Json::parse(R"({"a":1,"b":-2500.0,"c":true,"d":null,"e":"word","f":"1.2.3",
      "g":4,"h":0.5,"i":"7","j":"true","k":18446744073709551615,"l":"-","m":null})"));
}

TEST(YamlJsonTest, WhatIsWrittenReadsBackTheSame) {
  const Json value = {{"text", "a: \"b\", {c} # d\n\t\\ \x01 \x7f é 😀 'e'"},
                      {"looks like a number", "007"},
                      {"null", nullptr},
                      {"true", "true"},
                      {"", ""},
                      {"list", Json::array({1, -1, 0.1, 1e300, 1e-9, true, Json::array()})},
                      {"smallest", std::numeric_limits<int64_t>::min()},
                      {"object", {{"nested", Json::object()}}}};

  const auto read = YamlToJson("m.yaml", "key: " + JsonToYamlFlow(value) + "\n");

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at("key"), value);
}

TEST(YamlJsonTest, ErrorsSayWhere) {
  EXPECT_THAT(ErrorOf("a: 1\nb: 2\na: 3\n"), HasSubstr("m.yaml:3:1: the key 'a' is there twice"));
  EXPECT_THAT(ErrorOf("a: [1, 2\n"), HasSubstr("m.yaml:2:1: is not YAML"));
  EXPECT_THAT(ErrorOf("a: !secret x\n"), HasSubstr("m.yaml:1:4: the tag '!secret'"));
  EXPECT_THAT(ErrorOf("[a]: 1\n"), HasSubstr("a key must be a word"));
  EXPECT_THAT(ErrorOf("a: 1\n---\nb: 2\n"), HasSubstr("a second document"));
}

// yaml-cpp takes the first, and stops reading at the second.
TEST(YamlJsonTest, TextThatIsNotUtf8AndControlCharactersAreRefused) {
  EXPECT_THAT(ErrorOf("a: 1\nb: \"x\xff\"\n"), HasSubstr("m.yaml:2:6: the byte 0xff is not UTF-8"));
  EXPECT_THAT(ErrorOf("a: 1\nb\x04: 2\n"), HasSubstr("m.yaml:2:2: the control character 0x04"));
}

TEST(YamlJsonTest, DocumentsThatExplodeAreRefused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 1; j < 10; ++j) bomb += ", " + last;
    bomb += "]\n";
  }
  EXPECT_THAT(ErrorOf(bomb), HasSubstr("too large or too deep"));
  EXPECT_THAT(ErrorOf(std::string(200, '[') + std::string(200, ']')),
              HasSubstr("too large or too deep"));
  EXPECT_FALSE(YamlToJson("m.yaml", std::string(100'000, '[')).ok());
}

TEST(YamlJsonTest, DocumentsWithoutEndAreRefused) {
  for (const char* text : {",", ", \"a\": 1}\n", "}", "]\n"}) EXPECT_NE(ErrorOf(text), "") << text;
}

TEST(YamlJsonTest, EmptyTextIsNull) {
  EXPECT_TRUE(YamlToJson("m.yaml", "").value().is_null());
  EXPECT_TRUE(YamlToJson("m.yaml", "# nothing\n").value().is_null());
}

}  // namespace
}  // namespace tiffin::model
