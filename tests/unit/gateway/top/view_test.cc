#include "gateway/top/view.h"

#include <cmath>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::top {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kStill[] = R"(tiffin_build_info{version="0.1.0"} 1
process_cpu_seconds_total 1
process_resident_memory_bytes 52428800
tiffin_requests_total{service="demo",api="read",code="OK"} 0
tiffin_requests_total{service="demo",api="ocr",code="OK"} 0
tiffin_requests_in_flight{service="demo",api="read"} 3
tiffin_requests_in_flight{service="demo",api="ocr"} 0
tiffin_step_duration_seconds_count{service="demo",api="read",step="a"} 0
tiffin_runner_calls_limit{service="demo",runner="ocr"} 17
tiffin_replica_up{service="demo",runner="ocr",replica="0"} 1
tiffin_replica_ready{service="demo",runner="ocr",replica="0"} 1
tiffin_replica_up{service="demo",runner="ocr",replica="1"} 1
tiffin_replica_up{service="demo",runner="ocr",replica="2"} 0
tiffin_worker_resident_memory_bytes{service="demo",runner="ocr",replica="0"} 2147483648
tiffin_worker_restarts_total{service="demo",runner="ocr",replica="2"} 4
)";

constexpr char kBusy[] = R"(tiffin_requests_total{service="demo",api="read",code="OK"} 20
tiffin_requests_total{service="demo",api="read",code="INTERNAL"} 4
tiffin_request_duration_seconds_bucket{service="demo",api="read",le="0.001"} 20
tiffin_request_duration_seconds_bucket{service="demo",api="read",le="+Inf"} 20
tiffin_runner_batch_rows_sum{service="demo",runner="ocr"} 30
tiffin_runner_batch_rows_count{service="demo",runner="ocr"} 10
tiffin_worker_cpu_seconds_total{service="demo",runner="ocr",replica="0"} 1
tiffin_replica_calls_queued{service="demo",runner="ocr",replica="0"} 2
tiffin_runner_calls_waiting{service="demo",runner="ocr"} 1
)";

View TwoSecondsOf(const std::string& text) {
  const auto before = ParseScrape(kStill, absl::UnixEpoch());
  const auto after = ParseScrape(kStill + text, absl::UnixEpoch() + absl::Seconds(2));
  return Compare(*before, *after);
}

TEST(CompareTest, RatesAreOfTheTimeBetween) {
  const View view = TwoSecondsOf(kBusy);
  ASSERT_EQ(view.apis.size(), 1);
  EXPECT_EQ(view.apis[0].name, "demo.read");
  EXPECT_DOUBLE_EQ(view.apis[0].rate, 12);
  EXPECT_DOUBLE_EQ(view.apis[0].error_rate, 2);
  EXPECT_DOUBLE_EQ(view.apis[0].p50, 0.0005);
  EXPECT_EQ(view.apis[0].in_flight, 3);
  ASSERT_EQ(view.runners.size(), 1);
  EXPECT_DOUBLE_EQ(view.runners[0].batch, 3);
  EXPECT_EQ(view.runners[0].queued, 3);
  EXPECT_DOUBLE_EQ(view.replicas[0].cpu, 0.5);
}

TEST(CompareTest, ReplicasAreReadyOrStartingOrDown) {
  const View view = TwoSecondsOf("");
  ASSERT_EQ(view.replicas.size(), 3);
  EXPECT_EQ(view.replicas[0].state, "ready");
  EXPECT_EQ(view.replicas[1].state, "starting");
  EXPECT_EQ(view.replicas[2].state, "down");
  EXPECT_EQ(view.replicas[2].restarts, 4);
}

// Another machine's, or one that has ended.
TEST(CompareTest, OfAWorkerWhoseProcessIsNotKnownNothingIsShown) {
  const View view = TwoSecondsOf(kBusy);
  EXPECT_TRUE(std::isnan(view.replicas[1].cpu));
  EXPECT_TRUE(std::isnan(view.replicas[1].memory_bytes));

  const auto json = nlohmann::json::parse(ToJson(view));
  EXPECT_TRUE(json["replicas"][1]["cpu_cores"].is_null());
  EXPECT_TRUE(json["replicas"][1]["memory_bytes"].is_null());
  EXPECT_EQ(json["replicas"][0]["cpu_cores"], 0.5);
  const std::string text = ToText(view, 0, Colour::kPlain);
  EXPECT_THAT(text, HasSubstr("demo.ocr#1  starting    -       -         0          0\n"));
}

TEST(CompareTest, ARunnerThatClientsCalledIsAmongTheApis) {
  const View view =
      TwoSecondsOf("tiffin_requests_total{service=\"demo\",api=\"ocr\",code=\"OK\"} 1\n");
  ASSERT_EQ(view.apis.size(), 2);
  EXPECT_EQ(view.apis[1].name, "demo.ocr");
}

TEST(ToTextTest, ShowsTheThreeTables) {
  const std::string text = ToText(TwoSecondsOf(kBusy), 0, Colour::kPlain);
  EXPECT_THAT(text, HasSubstr("tiffin 0.1.0"));
  EXPECT_THAT(text, HasSubstr("demo.read       12      2  500us  990us"));
  EXPECT_THAT(text, HasSubstr("3/17"));
  EXPECT_THAT(text, HasSubstr("2.0GiB"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(ToTextTest, TimesHaveThreeDigits) {
  View view;
  for (const double seconds : {4e-6, 999.4e-6, 999.6e-6, 0.0123, 0.99949, 0.9996, 12.34, 1234.0}) {
    view.apis.push_back({.name = "a", .p50 = seconds});
  }
  const std::string text = ToText(view, 0, Colour::kPlain);
  for (const char* time :
       {" 4us", " 999us", " 1ms", " 12.3ms", " 999ms", " 1s", " 12.3s", " 1234s"}) {
    EXPECT_THAT(text, HasSubstr(time));
  }
  EXPECT_THAT(text, Not(HasSubstr("e+")));
}

TEST(ToTextTest, WhatDidNotHappenIsADash) {
  EXPECT_THAT(ToText(TwoSecondsOf(""), 0, Colour::kPlain), Not(HasSubstr("nan")));
}

TEST(ToTextTest, LinesAreNoWiderThanTheTerminal) {
  std::istringstream lines(ToText(TwoSecondsOf(kBusy), 20, Colour::kPlain));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 20) << line;
}

TEST(ToTextTest, ColoursStatesWhereTheyAreWanted) {
  EXPECT_THAT(ToText(TwoSecondsOf(""), 0, Colour::kAnsi), HasSubstr("\x1b[31m"));
}

TEST(ToJsonTest, IsOneObjectOnOneLine) {
  const std::string text = ToJson(TwoSecondsOf(""));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["version"], "0.1.0");
  EXPECT_EQ(json["apis"][0]["name"], "demo.read");
  EXPECT_TRUE(json["apis"][0]["p50_seconds"].is_null());
  EXPECT_EQ(json["replicas"][2]["state"], "down");
}

}  // namespace
}  // namespace tiffin::gateway::top
