#include "common/keys/wanted.h"

#include <limits>

#include <gtest/gtest.h>

namespace tiffin::keys {
namespace {

constexpr std::string_view kWords[] = {"auto", "on", "off"};
constexpr Text kText = {.wanted = "off"};

TEST(WantedTest, TellsWhatEachFormMayBe) {
  EXPECT_EQ(Wanted(kText), "off");
  EXPECT_EQ(Wanted(Integer{.min = 1, .max = 64}), "a whole number from 1 to 64");
  EXPECT_EQ(Wanted(Integer{.min = 1, .max = std::numeric_limits<int64_t>::max()}),
            "a whole number from 1 on");
  EXPECT_EQ(Wanted(Number{}), "a number");
  EXPECT_EQ(Wanted(Number{.min = 0, .max = 1}), "a number from 0 to 1");
  EXPECT_EQ(Wanted(Number{.min = 0, .max = 8, .min_is = Number::Min::kExcluded}),
            "a number above 0, at most 8");
  EXPECT_EQ(Wanted(Boolean{}), "true or false");
  EXPECT_EQ(Wanted(Duration{}),
            "a number above 0 with its unit (us, ms, s, m, h), such as 10s or 50ms, at most 24h");
  EXPECT_EQ(Wanted(Bytes{.min = 4096, .max = uint64_t{1} << 40}),
            "a whole number with its unit (KiB, MiB, GiB), from 4KiB to 1024GiB");
  EXPECT_EQ(Wanted(Choice{.words = kWords}), "auto, on or off");
  EXPECT_EQ(Wanted(NumberOrText{}), "a number or a text");
  EXPECT_EQ(Wanted(AnyMapping{.example = "{size: 8}"}), "a mapping such as {size: 8}");
  EXPECT_EQ(Wanted(Nested{.section = nullptr, .text = &kText}), "off, or a mapping");
  EXPECT_EQ(Wanted(Named{.noun = "step", .example = "", .text = &kText}),
            "a mapping from the names of steps to off");
}

TEST(WantedTest, TellsHowLongAListMayBe) {
  EXPECT_EQ(Wanted(List{.noun = "names", .item = kText}), "a list of names");
  EXPECT_EQ(Wanted(List{.noun = "names", .item = kText, .min = 1}), "a list of one or more names");
  EXPECT_EQ(Wanted(List{.noun = "names", .item = kText, .min = 1, .max = 8, .is_unique = true}),
            "a list of 1 to 8 different names");
  EXPECT_EQ(Wanted(List{.noun = "[x, y]", .item = Integer{.min = 1, .max = 9}, .min = 2, .max = 2}),
            "[x, y], each a whole number from 1 to 9");
}

TEST(FallbackTest, IsWhatWouldBeWritten) {
  EXPECT_EQ(Fallback(Integer{.min = 1, .max = 2, .fallback = 2}), 2);
  EXPECT_EQ(Fallback(Number{.fallback = 0.5}), 0.5);
  EXPECT_EQ(Fallback(Boolean{.fallback = false}), false);
  EXPECT_EQ(Fallback(Duration{.fallback = absl::Milliseconds(2)}), "2ms");
  EXPECT_EQ(Fallback(Bytes{.min = 0, .max = 1, .fallback = uint64_t{64} << 20}), "64MiB");
  EXPECT_EQ(Fallback(Choice{.words = kWords, .fallback = "auto"}), "auto");
  EXPECT_TRUE(Fallback(Integer{.min = 1, .max = 2}).is_null());
  EXPECT_TRUE(Fallback(kText).is_null());
}

TEST(FallbackTest, ForPeopleMayBeASentence) {
  EXPECT_EQ(FallbackText({.name = "n", .form = Boolean{.fallback = true}, .meaning = ""}), "true");
  EXPECT_EQ(
      FallbackText({.name = "n", .form = Duration{.fallback = absl::Seconds(30)}, .meaning = ""}),
      "30s");
  EXPECT_EQ(FallbackText({.name = "n", .form = Boolean{}, .meaning = "", .otherwise = "as before"}),
            "as before");
  EXPECT_EQ(FallbackText({.name = "n", .form = Boolean{}, .meaning = ""}), "");
}

}  // namespace
}  // namespace tiffin::keys
