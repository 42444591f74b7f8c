#include "common/keys/units.h"

#include <regex>
#include <string>

#include <gtest/gtest.h>

namespace tiffin::keys {
namespace {

TEST(UnitsTest, DurationsAreReadWithTheirUnit) {
  EXPECT_EQ(ParseDuration("2us").value, absl::Microseconds(2));
  EXPECT_EQ(ParseDuration("50ms").value, absl::Milliseconds(50));
  EXPECT_EQ(ParseDuration("1.5s").value, absl::Milliseconds(1500));
  EXPECT_EQ(ParseDuration(".5m").value, absl::Seconds(30));
  EXPECT_EQ(ParseDuration("24h").value, absl::Hours(24));
}

TEST(UnitsTest, DurationsOutOfTheRangeAreToldFromWhatIsNone) {
  for (const std::string text : {"0s", "25h", "0.0ms", "99999999999999999999h"}) {
    EXPECT_FALSE(ParseDuration(text).value.has_value()) << text;
    EXPECT_EQ(ParseDuration(text).error, QuantityError::kRange) << text;
  }
  for (const std::string text :
       {"", "s", "10", "-1s", "1 s", "1e3s", "1.2.3s", ".s", "inf", "1d"}) {
    EXPECT_FALSE(ParseDuration(text).value.has_value()) << text;
    EXPECT_EQ(ParseDuration(text).error, QuantityError::kForm) << text;
  }
}

TEST(UnitsTest, BytesAreReadWithTheirUnit) {
  constexpr Bytes kForm = {.min = 4096, .max = uint64_t{1} << 40};
  EXPECT_EQ(ParseBytes("4KiB", kForm).value, 4096);
  EXPECT_EQ(ParseBytes("1024GiB", kForm).value, kForm.max);
  for (const std::string text : {"3KiB", "0GiB", "1025GiB", "99999999999999999GiB"}) {
    EXPECT_EQ(ParseBytes(text, kForm).error, QuantityError::kRange) << text;
  }
  for (const std::string text : {"", "64", "MiB", "1.5MiB", "64MB", "-1KiB"}) {
    EXPECT_EQ(ParseBytes(text, kForm).error, QuantityError::kForm) << text;
  }
}

TEST(UnitsTest, TheirTextsAreReadBack) {
  for (const absl::Duration duration : {absl::Milliseconds(2), absl::Seconds(30)}) {
    EXPECT_EQ(ParseDuration(ToText(duration)).value, duration);
  }
  constexpr Bytes kForm = {.min = 0, .max = uint64_t{1} << 40};
  EXPECT_EQ(BytesToText(uint64_t{64} << 20), "64MiB");
  EXPECT_EQ(ParseBytes(BytesToText(kForm.max), kForm).value, kForm.max);
}

TEST(UnitsTest, ThePatternsMatchWhatHasTheForm) {
  const std::regex duration(DurationPattern());
  for (const std::string text : {"2us", "1.5s", ".5m", "5.h", "0s", "25h", "", "10", "-1s", "1e3s",
                                 "1.2.3s", ".s", "1d", "1 s", "msx"}) {
    const auto read = ParseDuration(text);
    const bool has_form = read.value.has_value() || read.error == QuantityError::kRange;
    EXPECT_EQ(std::regex_match(text, duration), has_form) << text;
  }
  const std::regex bytes(BytesPattern());
  for (const std::string text : {"4KiB", "0GiB", "1MiB", "", "64", "MiB", "1.5MiB", "64MB"}) {
    const auto read = ParseBytes(text, {.min = 4096, .max = 8192});
    const bool has_form = read.value.has_value() || read.error == QuantityError::kRange;
    EXPECT_EQ(std::regex_match(text, bytes), has_form) << text;
  }
}

}  // namespace
}  // namespace tiffin::keys
