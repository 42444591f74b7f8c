#include "gateway/functions/one_line.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/functions/text_functions.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OneLineTest, RunsOfWhiteSpaceBecomeOneSpace) {
  EXPECT_THAT(RunText(MakeOneLine, {TextArgument()},
                      {Texts({" two\n\n lines\t ", "naïve\fword", "\n", ""})}),
              ElementsAre("two lines", "naïve word", "", ""));
}

TEST(OneLineTest, TakesOneText) {
  EXPECT_THAT(ErrorOf(MakeOneLine, {}), HasSubstr("takes a text; it is given ()"));
  EXPECT_THAT(ErrorOf(MakeOneLine, {TextArgument(), TextArgument()}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeOneLine, {TextArgument("text")}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeOneLine, {LiteralArgument("a")}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeOneLine, {ValueArgument(SingleType(ValueKind::kImage))}),
              HasSubstr("it is given (step: image)"));
}

}  // namespace
}  // namespace tiffin::gateway
