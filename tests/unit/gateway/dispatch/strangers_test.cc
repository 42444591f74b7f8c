#include "gateway/dispatch/strangers.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(StrangersTest, EachIsSaidUntilSomethingElseIsAtItsAddress) {
  Strangers strangers;
  EXPECT_EQ(strangers.text(), "");

  strangers.Set(3, "the worker at C is another");
  strangers.Set(1, "the worker at A is another");
  EXPECT_EQ(strangers.text(), "the worker at A is another; the worker at C is another");

  strangers.Set(1, "");
  EXPECT_EQ(strangers.text(), "the worker at C is another");
}

}  // namespace
}  // namespace tiffin::gateway
