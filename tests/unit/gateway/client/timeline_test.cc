#include "gateway/client/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "gateway/api/timing.h"

namespace tiffin::gateway::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TimelineTest, AServerMayTellLess) {
  const auto timeline = ParseTimeline(
      R"({"total_us": 100, "steps": [{"name": "a", "runner": "model_a", "start_us": 0,
          "end_us": 50, "queue_us": 5, "batch_us": 0, "compute_us": 40},
         {"name": "f", "runner": "", "start_us": 50, "end_us": 100}]})");
  ASSERT_TRUE(timeline.ok());
  EXPECT_TRUE(timeline->critical_path.empty());
  EXPECT_EQ(DrawTimeline(*timeline, "#"),
            "    a  model_a     ############################............................"
            "      50 us  (queue 5, compute 40)\n"
            "    f  (function)  ............................############################"
            "      50 us\n");
}

TEST(TimelineTest, WhatAServerTellsIsShown) {
  const auto timeline = ParseTimeline(
      R"({"total_us": 100, "parse_us": 3, "gather_us": 2, "critical_path": ["a", "b"],
          "truncated": true, "steps": [{"name": "a", "runner": "r", "start_us": 0, "end_us": 9,
          "transport_us": 7}]})");
  ASSERT_TRUE(timeline.ok());
  EXPECT_THAT(timeline->critical_path, ElementsAre("a", "b"));
  const std::string text = DrawTimeline(*timeline, "#");
  EXPECT_THAT(text, HasSubstr("(transport 7)\n"));
  EXPECT_THAT(text, HasSubstr("    server: parse 3, gather 2\n"));
  EXPECT_THAT(text, HasSubstr("    critical path: a > b\n"));
  EXPECT_THAT(text, HasSubstr("more steps than metadata holds"));
}

int64_t SumOf(const Timeline::Parts& parts) {
  int64_t sum = 0;
  for (const auto& [name, us] : parts) sum += us;
  return sum;
}

TEST(TimelineTest, ThePartsAddUpToTheWhole) {
  const std::vector<StepTiming> steps = {{.name = "a",
                                          .runner = "r",
                                          .start = absl::Microseconds(5),
                                          .end = absl::Microseconds(105),
                                          .spent = {.queue = absl::Microseconds(10),
                                                    .batch = absl::Microseconds(20),
                                                    .compute = absl::Microseconds(30),
                                                    .retry = absl::Microseconds(15),
                                                    .retries = 1}}};
  const std::vector<size_t> path = {0};
  const auto timeline = ParseTimeline(TimingJson({.total = absl::Microseconds(200),
                                                  .parse = absl::Microseconds(20),
                                                  .steps = steps,
                                                  .critical_path = path}));
  ASSERT_TRUE(timeline.ok());
  ASSERT_EQ(timeline->steps.size(), 1U);
  const Timeline::Step& step = timeline->steps[0];
  EXPECT_EQ(SumOf(step.parts), step.end_us - step.start_us);
  EXPECT_EQ(SumOf(step.parts) + SumOf(timeline->server), timeline->total_us);
  const std::string text = DrawTimeline(*timeline, "#");
  EXPECT_THAT(text, HasSubstr("(queue 10, batch 20, compute 30, transport 25, retry 15)\n"));
  EXPECT_THAT(text, HasSubstr("    server: parse 20, dispatch 5, gather 75\n"));
}

TEST(TimelineTest, TimesThatMakeNoSenseStayWithinTheBar) {
  const auto timeline = ParseTimeline(
      R"({"total_us": 0, "steps": [{"name": "a", "start_us": -5, "end_us": 1000000}]})");
  EXPECT_THAT(DrawTimeline(*timeline, "#"), HasSubstr(std::string(56, '#')));
}

TEST(TimelineTest, WhatIsNoTimelineIsRefused) {
  for (const char* text : {"", "[]", "{}", "{\"steps\": 1}", "nonsense"}) {
    EXPECT_FALSE(ParseTimeline(text).ok()) << text;
  }
}

}  // namespace
}  // namespace tiffin::gateway::client
