#include "gateway/resources/text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(ResourcesTextTest, NumbersHaveThreeDigitsThatCount) {
  EXPECT_EQ(NumberText(2), "2");
  EXPECT_EQ(NumberText(0.5), "0.5");
  EXPECT_EQ(NumberText(1.0 / 3), "0.333");
  EXPECT_EQ(NumberText(16.44), "16.4");
  EXPECT_EQ(NumberText(12345.6), "12346");
}

TEST(ResourcesTextTest, CountsHaveTheirPlural) {
  EXPECT_EQ(CountText(1, "core"), "1 core");
  EXPECT_EQ(CountText(1.5, "core"), "1.5 cores");
  EXPECT_EQ(CountText(0, "replica"), "0 replicas");
}

TEST(ResourcesTextTest, ColumnsStandBelowOneAnother) {
  const std::vector<std::vector<std::string>> rows = {{"a", "long", "x"}, {"bcd", "e", "y"}};
  EXPECT_THAT(TableLines(rows), testing::ElementsAre("a    long  x", "bcd  e     y"));
}

}  // namespace
}  // namespace tiffin::gateway
