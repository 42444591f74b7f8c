#include "common/environment.h"

#include <cstdlib>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace tiffin::environment {
namespace {

constexpr Variable kMade = {"TIFFIN_ENVIRONMENT_TEST", "For this test", "nothing"};

TEST(EnvironmentTest, AVariableHasItsValueOrNone) {
  ASSERT_EQ(setenv(kMade.name, "x y", 1), 0);
  EXPECT_EQ(Get(kMade), "x y");
  ASSERT_EQ(setenv(kMade.name, "", 1), 0);
  EXPECT_EQ(Get(kMade), "");
  ASSERT_EQ(unsetenv(kMade.name), 0);
  EXPECT_EQ(Get(kMade), "");
}

TEST(EnvironmentTest, EachIsListedOnce) {
  std::set<std::string> names;
  for (const Variable& variable : All()) EXPECT_TRUE(names.insert(variable.name).second);
  EXPECT_TRUE(names.contains("TIFFIN_STORE"));
  EXPECT_TRUE(names.contains("XDG_RUNTIME_DIR"));
}

TEST(EnvironmentTest, ADefaultSaysWhereItComesFrom) {
  EXPECT_EQ(DefaultText(kMade), "$TIFFIN_ENVIRONMENT_TEST, else nothing");
}

}  // namespace
}  // namespace tiffin::environment
