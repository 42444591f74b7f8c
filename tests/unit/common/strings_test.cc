#include "common/strings.h"

#include <gtest/gtest.h>

namespace tiffin {
namespace {

TEST(StringsTest, StrCatTakesEveryKindOfPiece) {
  const std::string_view view = "view";
  const std::string text = "text";
  EXPECT_EQ(StrCat(view, " ", text, " ", 3, " ", size_t{4}, " ", 0.5, ToAbsl(view)),
            "view text 3 4 0.5view");
  EXPECT_EQ(StrCat(view.substr(0, 1), absl::string_view("b")), "vb");
}

TEST(StringsTest, ViewsSurviveTheBorderBothWays) {
  const std::string_view view("a\0b", 3);
  EXPECT_EQ(ToStd(ToAbsl(view)), view);
  EXPECT_EQ(Message(absl::NotFoundError("no such thing")), "no such thing");
}

TEST(StringsTest, TrimTakesWhiteSpaceAroundOnly) {
  EXPECT_EQ(Trim("\t a b \n"), "a b");
  EXPECT_EQ(Trim(" \n"), "");
  EXPECT_EQ(ToLower("FP32"), "fp32");
}

}  // namespace
}  // namespace tiffin
