#include "common/controls.h"

#include "gtest/gtest.h"

namespace tiffin {
namespace {

TEST(ControlsTest, TextStaysAsItIs) {
  for (const char* text : {"", "plain", "\xC3\xA4 \xE2\x80\x9B \xC2\xA0", "\xC2", "\xFF\x9B"}) {
    EXPECT_EQ(EscapeControls(text), text);
  }
}

TEST(ControlsTest, ControlsAreEscaped) {
  EXPECT_EQ(EscapeControls("a\nb\tc\rd\x1b[2J\x7f"), "a\\nb\\tc\\x0dd\\x1b[2J\\x7f");
  EXPECT_EQ(EscapeControls({"\0", 1}), "\\x00");
  EXPECT_EQ(EscapeControls("\xC2\x9B"
                           "31m\xC2\x80\xC2\x9F"),
            "\\x9b31m\\x80\\x9f");
}

TEST(ControlsTest, SomeMayBeKept) {
  EXPECT_EQ(EscapeControls("a\nb\tc\rd", "\n\t"), "a\nb\tc\\x0dd");
}

}  // namespace
}  // namespace tiffin
