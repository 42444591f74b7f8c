#include "common/config/yaml_reader.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace tiffin::config {
namespace {

std::string Error(std::string_view yaml) {
  Diagnostics diagnostics("f");
  ReadYaml(yaml, diagnostics);
  return diagnostics.ToString();
}

YamlNode Read(std::string_view yaml) {
  Diagnostics diagnostics("f");
  std::optional<YamlNode> root = ReadYaml(yaml, diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.ToString();
  EXPECT_TRUE(root.has_value());
  return root.value_or(YamlNode{});
}

constexpr std::string_view kComma =
    "a ',' ends an unquoted step inside { }; put the step in double quotes, or on a line of its "
    "own outside { }";
constexpr std::string_view kColon =
    "a ': ' inside an unquoted step makes it a key; put the step in double quotes";

TEST(YamlReaderTest, KnowsWhereEverythingStands) {
  const YamlNode root = Read("a: 1\nb:\n  - x\n  - \"y\"\nc: {d: e}\n");
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.entries[0].key, "a");
  EXPECT_EQ(root.entries[0].location, (Location{1, 1}));
  EXPECT_EQ(root.entries[0].value.location, (Location{1, 4}));
  const YamlNode& list = root.entries[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].location, (Location{3, 5}));
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_EQ(list.items[1].location, (Location{4, 5}));
  EXPECT_EQ(list.items[1].text_location, (Location{4, 6}));
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(root.entries[2].value.entries.at(0).value.location, (Location{5, 8}));
}

TEST(YamlReaderTest, ColumnsCountBytes) {
  const YamlNode root = Read("{é: x, b: y}\n");
  EXPECT_EQ(root.entries.at(1).location, (Location{1, 9}));
  EXPECT_EQ(root.entries.at(1).value.text_location, (Location{1, 12}));
}

TEST(YamlReaderTest, TextThatIsWrittenOtherwiseHasNoPlaceOfItsOwn) {
  const YamlNode root = Read("a: \"x\\ty\"\nb: 'it''s'\nc: |\n  block\nd: two\n  lines\n");
  for (const YamlEntry& entry : root.entries) {
    EXPECT_EQ(entry.value.text_location, std::nullopt) << entry.key;
  }
  EXPECT_EQ(root.entries[0].value.text, "x\ty");
  EXPECT_EQ(root.entries[3].value.text, "two lines");
}

TEST(YamlReaderTest, MissingValueStandsAtItsKey) {
  const YamlNode root = Read("a:\n  b:\nc: 1\n");
  const YamlNode& missing = root.entries.at(0).value.entries.at(0).value;
  EXPECT_TRUE(missing.is(YamlNode::Kind::kNull));
  EXPECT_EQ(missing.location, (Location{2, 3}));
}

TEST(YamlReaderTest, ReportsWhatYamlCppKeepsSilentlyOrDoesNotKnow) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: 1\nb: 2\na: 3\n",
       "f:3:1: duplicate key 'a', which is on line 1 already; remove or rename one of them"},
      {"x: {a: 1, a: 2}\n",
       "f:1:11: duplicate key 'a', which is on line 1 already; remove or rename one of them"},
      {"a: &x 1\n", "f:1:4: anchors are not supported; remove the '&...'"},
      {"a: *x\n", "f:1:4: aliases are not supported; write out what it stands for"},
      {"a: !!str 4\n", "f:1:4: tags such as 'tag:yaml.org,2002:str' are not supported; remove it"},
      {"[a]: 1\n", "f:1:1: a key must be a plain word; write `key: value`"},
      {"a: 1\n---\nb: 2\n", "f:2:1: a second document starts here; keep one service in a file"},
  };
  for (const auto& [yaml, error] : cases) EXPECT_EQ(Error(yaml), error) << yaml;
}

TEST(YamlReaderTest, ExplainsWhatIsNoYaml) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a: 1\n b: 2\n", "f:2:3: a key can't stand here; check the indentation"},
      {"a: b\n\tc: d\n", "f:2:1: a tab in the indentation; use spaces"},
      {"a: \"x\\\"\n", "f:1:4: the file ends inside quotes; close them"},
      {"a: 'it''s\nb: 1\n", "f:1:4: the file ends inside quotes; close them"},
      {"a: \"x", "f:1:6: the file ends inside quotes; close them"},
      {"a: @x\n",
       "f:1:4: an unquoted value can't start with this character; put the value in "
       "double quotes"},
      {"a: {b: 1\n",
       "f:2:1: a '}' is missing before this; close the mapping, and put values with "
       "brackets or quotes inside them in double quotes"},
      {"}\n", "f:1:1: this closes nothing; remove it"},
  };
  for (const auto& [yaml, error] : cases) EXPECT_EQ(Error(yaml), error) << yaml;
}

TEST(YamlTrapTest, CommaInAStepInsideBracesIsNamed) {
  for (const std::string step :
       {"f(g, h)", "f(g, k: v)", "f(g, [1, 2])", "f(g, '{y}')", "f('{a}: \"{b}\"', a)"}) {
    EXPECT_EQ(Error("s: {a: " + step + ", b: f(x)}\n"), "f:1:8: " + std::string(kComma)) << step;
  }
}

TEST(YamlTrapTest, ColonInAStepIsNamed) {
  for (const std::string step :
       {"f(x, 'k: v')", "f(x, \"k: v\")", "f(x): y", "format('{a}: x', a)", "f(x, 'k: v') # why"}) {
    EXPECT_EQ(Error("s:\n  b: " + step + "\n"), "f:2:6: " + std::string(kColon)) << step;
  }
  EXPECT_EQ(
      Error("a: one: two\n"),
      "f:1:4: a ': ' inside an unquoted value makes it a key; put the value in double quotes");
}

TEST(YamlTrapTest, BracketInAValueInsideBracesIsNamed) {
  EXPECT_EQ(Error("input: {x: fp32[64], y: \"fp32[1]\"}\n"),
            "f:1:12: a '[' ends an unquoted value inside { }; put the value in double quotes");
}

TEST(YamlTrapTest, ReadsOnBehindATrapAndKeepsTheColumns) {
  Diagnostics diagnostics("f");
  const auto root = ReadYaml(
      "s: {a: f(g, h), b: f(\"x\", y), c: z}\nt:\n  d: f('k: v')\n  e: 1\n  e: 2\n", diagnostics);
  EXPECT_EQ(diagnostics.ToString(),
            "f:1:8: " + std::string(kComma) + "\nf:1:20: " + std::string(kComma) +
                "\nf:3:6: " + std::string(kColon) +
                "\nf:5:3: duplicate key 'e', which is on line 4 already; remove or rename one of "
                "them");
  ASSERT_TRUE(root.has_value());
  const std::vector<YamlEntry>& steps = root->entries.at(0).value.entries;
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].value.text, "f(g, h)");
  EXPECT_EQ(steps[0].value.text_location, (Location{1, 8}));
  EXPECT_EQ(steps[1].value.text, "f(\"x\", y)");
  EXPECT_EQ(steps[2].location, (Location{1, 31}));
  EXPECT_EQ(root->entries.at(1).value.entries.at(0).value.text, "f('k: v')");
}

TEST(YamlTrapTest, StepOverSeveralLinesInBracesIsNamedOnce) {
  EXPECT_EQ(Error("s: {a: f(g,\n  h), b: f(x)}\n"), "f:1:8: " + std::string(kComma));
}

TEST(YamlTrapTest, QuotedStepsAreNoTraps) {
  Read("s: {a: \"f(g, h)\", b: 'f(g, 1)', c: f(x)}\nt:\n  a: f(g, h)\n  b: \"f('k: v')\"\n");
}

TEST(YamlAbuseTest, NestingEndsInAnError) {
  EXPECT_EQ(Error("a: " + std::string(40, '[') + std::string(40, ']')),
            "f:1:35: nested more than 32 deep; make it flatter");
  EXPECT_NE(Error(std::string(100'000, '[')), "");
  EXPECT_NE(Error(std::string(100'000, '{')), "");
  std::string stairs;
  for (int i = 0; i < 600; ++i) stairs += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_NE(Error(stairs), "");
}

TEST(YamlAbuseTest, AliasesAreNotFollowed) {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string last = std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + last + ", *a" + last +
            "]\n";
  }
  EXPECT_NE(Error(bomb).find("f:2:10: aliases are not supported"), std::string::npos);
}

}  // namespace
}  // namespace tiffin::config
