#include "tests/bench/outcomes.h"

#include <gtest/gtest.h>

#include <vector>

namespace tiffin::bench {
namespace {

using absl::Milliseconds;

constexpr auto kOk = absl::StatusCode::kOk;
constexpr auto kLate = absl::StatusCode::kDeadlineExceeded;
constexpr auto kRefused = absl::StatusCode::kResourceExhausted;

const std::vector<Phase> kPhases = {{.rate = 10, .duration = absl::Seconds(1)},
                                    {.rate = 100, .duration = absl::Seconds(2)}};

Outcome Ended(int due_ms, int latency_ms, absl::StatusCode code, int lag_ms = 0) {
  return {.due = Milliseconds(due_ms),
          .lag = Milliseconds(lag_ms),
          .latency = Milliseconds(latency_ms),
          .code = code};
}

TEST(SummarizePhasesTest, CountsCallsWhereTheyCameAndRepliesWhereTheyWent) {
  const std::vector<Outcome> outcomes = {Ended(100, 10, kOk), Ended(990, 20, kOk),
                                         Ended(1500, 10, kOk)};

  const nlohmann::json found = SummarizePhases(kPhases, outcomes);

  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found[0]["offered"], 2);
  EXPECT_EQ(found[0]["answered"], 2);
  EXPECT_EQ(found[0]["goodput"], 1.0) << "the second reply came in the second phase";
  EXPECT_EQ(found[1]["offered"], 1);
  EXPECT_EQ(found[1]["goodput"], 1.0) << "two in two seconds";
}

TEST(SummarizePhasesTest, TellsTheRefusedFromTheLate) {
  const std::vector<Outcome> outcomes = {Ended(1, 1, kRefused), Ended(2, 3, kRefused),
                                         Ended(3, 100, kLate), Ended(4, 50, kOk)};

  const nlohmann::json phase = SummarizePhases(kPhases, outcomes)[0];

  EXPECT_EQ(phase["offered"], 4);
  EXPECT_EQ(phase["answered"], 1);
  EXPECT_EQ(phase["refused"], 2);
  EXPECT_EQ(phase["late"], 1);
  EXPECT_EQ(phase["goodput"], 1.0);
  EXPECT_EQ(phase["answered_p99_us"], 50e3);
  EXPECT_EQ(phase["refused_p50_us"], 1e3);
  EXPECT_EQ(phase["refused_p99_us"], 3e3);
}

TEST(SummarizePhasesTest, SaysHowLateCallsStarted) {
  const std::vector<Outcome> outcomes = {Ended(1, 9, kOk, 7), Ended(2, 9, kRefused, 8)};

  EXPECT_EQ(SummarizePhases(kPhases, outcomes)[0]["lag_p99_us"], 8e3);
}

TEST(SummarizePhasesTest, WithoutCallsThereIsNothingToMeasure) {
  const nlohmann::json phase = SummarizePhases(kPhases, {})[1];

  EXPECT_EQ(phase["offered"], 0);
  EXPECT_EQ(phase["goodput"], 0.0);
  EXPECT_TRUE(phase["answered_p99_us"].is_null());
  EXPECT_TRUE(phase["refused_p99_us"].is_null());
}

}  // namespace
}  // namespace tiffin::bench
