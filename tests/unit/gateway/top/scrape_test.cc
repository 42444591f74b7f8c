#include "gateway/top/scrape.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway::top {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Scrape Parse(std::string_view text) {
  auto scrape = ParseScrape(text, absl::UnixEpoch());
  EXPECT_TRUE(scrape.ok()) << scrape.status();
  return *std::move(scrape);
}

TEST(ParseScrapeTest, ReadsSamplesWithTheirLabels) {
  const Scrape scrape = Parse(
      "# HELP a What.\n# TYPE a counter\n"
      "a{x=\"1\",y=\"two\"} 3\na{x=\"2\",y=\"two\"} 4.5 1700000000\n\nb 1e-06\nc{le=\"+Inf\"} "
      "+Inf\n"
      "d{x=\"a\\\\b\\\"c\\nd,e}\"} 5");
  EXPECT_EQ(scrape.Sum("a", {}), 7.5);
  EXPECT_EQ(scrape.Sum("a", {{"x", "2"}}), 4.5);
  EXPECT_EQ(scrape.Sum("a", {{"x", "3"}}), 0);
  EXPECT_EQ(scrape.Sum("b", {}), 1e-6);
  EXPECT_EQ(scrape.Sum("c", {}), kInfinity);
  EXPECT_EQ(scrape.of("d").front().labels.at("x"), "a\\b\"c\nd,e}");
  EXPECT_TRUE(scrape.of("none").empty());
}

TEST(ParseScrapeTest, NamesTheLineThatIsNone) {
  for (const char* text :
       {"a 1\n<html>\n", "a 1\n{} 2\n", "a 1\nb{x=\"1} 2\n", "a 1\nb{x} 2\n", "a 1\nb one\n",
        "a 1\nb\n", "a 1\nb{x=\"1\"}\n", "a 1\nb 1 2 3\n", "a 1\nb{\n"}) {
    const auto scrape = ParseScrape(text, absl::UnixEpoch());
    ASSERT_FALSE(scrape.ok()) << text;
    EXPECT_THAT(std::string(scrape.status().message()), HasSubstr("line 2 "));
  }
}

TEST(IncreaseTest, IsWhatCameBetween) {
  EXPECT_EQ(Increase(Parse("a 3\n"), Parse("a 10\n"), "a", {}), 7);
}

TEST(IncreaseTest, ACounterThatFellBeganAnew) {
  EXPECT_EQ(Increase(Parse("a 10\n"), Parse("a 3\n"), "a", {}), 3);
}

TEST(BucketIncreaseTest, IsNotCumulative) {
  const Scrape before =
      Parse("h_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 2\nh_bucket{le=\"+Inf\"} 2\n");
  const Scrape after =
      Parse("h_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 7\nh_bucket{le=\"+Inf\"} 8\n");
  EXPECT_THAT(BucketIncrease(before, after, "h", {}),
              ElementsAre(Pair(1, 2), Pair(2, 3), Pair(kInfinity, 1)));
  EXPECT_THAT(BucketIncrease(after, before, "h", {}),
              ElementsAre(Pair(1, 1), Pair(2, 1), Pair(kInfinity, 0)));
}

TEST(QuantileTest, LiesInItsBucketInProportion) {
  const Buckets buckets = {{1, 0}, {2, 10}, {4, 10}, {kInfinity, 0}};
  EXPECT_DOUBLE_EQ(Quantile(0.25, buckets), 1.5);
  EXPECT_DOUBLE_EQ(Quantile(0.5, buckets), 2);
  EXPECT_DOUBLE_EQ(Quantile(0.75, buckets), 3);
  EXPECT_DOUBLE_EQ(Quantile(1, buckets), 4);
}

TEST(QuantileTest, BeyondTheLastBoundItIsThatBound) {
  EXPECT_DOUBLE_EQ(Quantile(0.99, {{1, 1}, {2, 0}, {kInfinity, 9}}), 2);
}

TEST(QuantileTest, OfNothingThereIsNone) {
  EXPECT_TRUE(std::isnan(Quantile(0.5, {})));
  EXPECT_TRUE(std::isnan(Quantile(0.5, {{1, 0}, {kInfinity, 0}})));
}

}  // namespace
}  // namespace tiffin::gateway::top
