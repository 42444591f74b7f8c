#include "gateway/api/timing.h"

#include <numeric>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

StepTiming StepOf(std::string_view name, int64_t start_us, int64_t end_us) {
  return StepTiming{.name = name,
                    .runner = name,
                    .start = absl::Microseconds(start_us),
                    .end = absl::Microseconds(end_us),
                    .spent = {.queue = absl::Microseconds(1),
                              .batch = absl::Microseconds(2),
                              .compute = absl::Microseconds(3)}};
}

// What the critical path explains.
int64_t Explained(const nlohmann::json& ledger) {
  int64_t sum = ledger["parse_us"].get<int64_t>() + ledger["dispatch_us"].get<int64_t>() +
                ledger["gather_us"].get<int64_t>();
  for (const auto& step : ledger["steps"]) {
    const auto& path = ledger["critical_path"];
    if (std::find(path.begin(), path.end(), step["name"]) == path.end()) continue;
    for (const char* part : {"queue_us", "batch_us", "compute_us", "transport_us", "retry_us"}) {
      sum += step.value(part, int64_t{0});
    }
  }
  return sum;
}

TEST(TimingJsonTest, TheCriticalPathExplainsTheTotal) {
  // Fractions of a microsecond, too: what is rounded away in one part must be in another.
  const std::vector<StepTiming> steps = {
      {.name = "a",
       .runner = "r",
       .start = absl::Nanoseconds(1'900),
       .end = absl::Nanoseconds(100'700),
       .spent = {.queue = absl::Nanoseconds(10'900),
                 .batch = absl::Nanoseconds(900),
                 .compute = absl::Nanoseconds(30'900)}},
      StepOf("beside", 2, 80),
      {.name = "f",
       .runner = "",
       .start = absl::Microseconds(105),
       .end = absl::Microseconds(115),
       .spent = {.compute = absl::Microseconds(10)}},
  };
  const std::vector<size_t> path = {0, 2};
  const auto json = nlohmann::json::parse(TimingJson({.total = absl::Nanoseconds(150'900),
                                                      .parse = absl::Nanoseconds(20'600),
                                                      .steps = steps,
                                                      .critical_path = path}));
  EXPECT_EQ(json["critical_path"], nlohmann::json({"a", "f"}));
  EXPECT_EQ(json["parse_us"], 20);
  EXPECT_EQ(json["gather_us"], 15);
  EXPECT_EQ(json["steps"][2]["transport_us"], 0) << "a function goes nowhere";
  EXPECT_EQ(Explained(json), json["total_us"]);
}

TEST(TimingJsonTest, RequestsWithoutStepsAreParsingAndGathering) {
  EXPECT_EQ(nlohmann::json::parse(TimingJson({.total = absl::Microseconds(50),
                                              .parse = absl::Microseconds(20),
                                              .steps = {},
                                              .critical_path = {}})),
            nlohmann::json::parse(R"({"total_us": 50, "parse_us": 20, "dispatch_us": 0,
                                      "gather_us": 30, "critical_path": [], "steps": []})"));
}

TEST(TimingJsonTest, StepsThatWereRunAgainOrSplitSaySo) {
  StepTiming step = StepOf("a", 0, 1000);
  step.spent.retries = 1;
  step.spent.retry = absl::Microseconds(600);
  step.spent.calls = 4;
  const std::vector<StepTiming> steps = {step};
  const std::vector<size_t> path = {0};
  const auto json = nlohmann::json::parse(TimingJson({.total = absl::Microseconds(1100),
                                                      .parse = absl::Microseconds(50),
                                                      .steps = steps,
                                                      .critical_path = path}));
  EXPECT_EQ(json["steps"][0]["retries"], 1);
  EXPECT_EQ(json["steps"][0]["retry_us"], 600);
  EXPECT_EQ(json["steps"][0]["calls"], 4);
  EXPECT_EQ(json["steps"][0]["transport_us"], 394);
  EXPECT_EQ(Explained(json), 1100);
}

TEST(TimingJsonTest, LongTimelinesAreTruncatedAndStayJson) {
  const std::string name(60, 'n');
  std::vector<StepTiming> steps(200, StepOf(name, 10, 20));
  const std::string last = "the_last_one";
  steps.push_back(StepOf(last, 30, 900));
  const std::vector<size_t> path = {3, 200};
  const std::string text = TimingJson({.total = absl::Milliseconds(1),
                                       .parse = absl::ZeroDuration(),
                                       .steps = steps,
                                       .critical_path = path});
  EXPECT_LE(text.size(), kMaxTimingBytes);
  EXPECT_GT(text.size(), kMaxTimingBytes - 400);
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["truncated"], true);
  EXPECT_GT(json["steps"].size(), 10U);
  EXPECT_EQ(json["total_us"], 1000);
  EXPECT_EQ(json["critical_path"], nlohmann::json({name, last}));
  EXPECT_EQ(json["steps"].back()["name"], last) << "the critical path goes first";
}

TEST(TimingJsonTest, ACriticalPathThatIsTooLongIsCut) {
  const std::string name(60, 'n');
  const std::vector<StepTiming> steps(200, StepOf(name, 10, 20));
  std::vector<size_t> path(steps.size());
  std::iota(path.begin(), path.end(), size_t{0});
  const std::string text = TimingJson({.total = absl::Seconds(1),
                                       .parse = absl::ZeroDuration(),
                                       .steps = steps,
                                       .critical_path = path});
  EXPECT_LE(text.size(), kMaxTimingBytes);
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["truncated"], true);
  EXPECT_GT(json["critical_path"].size(), 50U);
}

}  // namespace
}  // namespace tiffin::gateway
