#include "gateway/api/text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(TextTest, WellFormedUtf8IsValid) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("plain"));
  EXPECT_TRUE(IsValidUtf8("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x8D\xB1 \xF4\x8F\xBF\xBF"));
}

TEST(TextTest, IllFormedUtf8IsNot) {
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE2\x82", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "ok \xFF"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << ::testing::PrintToString(bad);
  }
}

TEST(TextTest, BoundedUtf8KeepsWhatFits) {
  EXPECT_EQ(BoundedUtf8("abcdef", 6), "abcdef");
  EXPECT_EQ(BoundedUtf8("abcdefg", 6), "abc...");
}

TEST(TextTest, BoundedUtf8NeverCutsACharacter) {
  EXPECT_EQ(BoundedUtf8("a\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", 8), "a\xE2\x82\xAC...");
  for (size_t limit = 3; limit < 40; ++limit) {
    const std::string bounded =
        BoundedUtf8("\xF0\x9F\x8D\xB1 \xE2\x82\xAC \xC3\xA9 \xF0\x9F\x8D\xB1 and more text", limit);
    EXPECT_LE(bounded.size(), limit);
    EXPECT_TRUE(IsValidUtf8(bounded)) << limit;
  }
}

TEST(TextTest, BoundedUtf8ReplacesBadBytes) { EXPECT_EQ(BoundedUtf8("a\xFF\x80z", 9), "a??z"); }

TEST(TextTest, MetadataTextIsShortPrintableAscii) {
  EXPECT_EQ(MetadataText("id-1\n\xC3\xA9\x7F~", 100), "id-1????~");
  EXPECT_EQ(MetadataText("abcdef", 3), "abc");
}

}  // namespace
}  // namespace tiffin::gateway
