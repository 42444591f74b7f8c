#include "common/config/name_hint.h"

#include <vector>

#include <gtest/gtest.h>

namespace tiffin::config {
namespace {

TEST(NameHintTest, NamesAreLowerCaseWords) {
  for (const std::string_view name : {"a", "model_a", "x1", "a_"})
    EXPECT_TRUE(IsName(name)) << name;
  for (const std::string_view name : {"", "A", "1a", "_a", "a-b", "a b", "a.b", "é", "aB"}) {
    EXPECT_FALSE(IsName(name)) << name;
  }
}

TEST(NameHintTest, LiteralsAreNoNames) {
  EXPECT_EQ(NameError("step", "falsehood"), "");
  EXPECT_EQ(NameError("input", "false"),
            "an input can't be named 'false', which is a literal; rename it");
}

TEST(NameHintTest, NearestIsTheOneProbablyMeant) {
  const std::vector<std::string_view> known = {"model", "options", "replicas"};
  EXPECT_EQ(Nearest("replica", known), "replicas");
  EXPECT_EQ(Nearest("modle", known), "");
  EXPECT_EQ(Nearest("mode", known), "model");
  EXPECT_EQ(Nearest("batching", known), "");
  EXPECT_EQ(Nearest("", known), "");
  EXPECT_EQ(Nearest(std::string(1'000'000, 'm'), known), "");
}

TEST(NameHintTest, LongTextIsQuotedInPartAndNeverWithinACharacter) {
  EXPECT_EQ(Quoted("short"), "'short'");
  EXPECT_EQ(Quoted(std::string(60, 'x')), "'" + std::string(60, 'x') + "'");
  EXPECT_EQ(Quoted(std::string(61, 'x')), "'" + std::string(60, 'x') + "...'");
  EXPECT_EQ(Quoted(std::string(59, 'x') + "éé"), "'" + std::string(59, 'x') + "...'");
}

}  // namespace
}  // namespace tiffin::config
