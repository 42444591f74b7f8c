#include "gateway/client/argument.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/strings.h"

namespace tiffin::gateway::client {
namespace {

using ::testing::HasSubstr;

TEST(ArgumentTest, ANameStandsBeforeTheFirstEqualsSign) {
  const auto argument = ReadArgument("text=a=b");
  EXPECT_EQ(argument->name, "text");
  EXPECT_EQ(argument->content, "a=b");
}

TEST(ArgumentTest, WhatIsNoNameBelongsToTheValue) {
  for (const char* text : {"plain", "two words=three", "{\"a\"=1}", "=x", "1=2", "[1, 2]"}) {
    const auto argument = ReadArgument(text);
    EXPECT_EQ(argument->name, "") << text;
    EXPECT_EQ(argument->content, text);
    EXPECT_FALSE(argument->from_file);
  }
}

TEST(ArgumentTest, AnAtSignNamesAFile) {
  const std::string file = ::testing::TempDir() + "argument_test";
  std::ofstream(file) << "its\nbytes";

  const auto argument = ReadArgument("image=@" + file);

  EXPECT_TRUE(argument->from_file);
  EXPECT_EQ(argument->content, "its\nbytes");
}

TEST(ArgumentTest, TwoAtSignsAreOneOfAValue) {
  EXPECT_EQ(ReadArgument("@@home")->content, "@home");
  EXPECT_EQ(ReadArgument("text=@@home")->content, "@home");
}

TEST(ArgumentTest, WhatCanNotBeReadIsNamed) {
  EXPECT_THAT(ReadArgument("image=@/no/such").status().ToString(),
              HasSubstr("can't read '/no/such': No such file or directory"));
  // It can be opened, but nothing is at its start.
  EXPECT_THAT(ReadArgument("@/proc/self/mem").status().ToString(),
              HasSubstr("can't read '/proc/self/mem' to its end"));
  EXPECT_THAT(ReadArgument("@/tmp").status().ToString(), HasSubstr("'/tmp' is a folder"));
}

}  // namespace
}  // namespace tiffin::gateway::client
