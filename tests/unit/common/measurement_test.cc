#include "common/measurement.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tiffin {
namespace {

TEST(MeasurementTest, ComesBackAsItWasWritten) {
  WorkerMeasurements made;
  made.concurrency = 2;
  made.measurements = {{.method = "run",
                        .rows = 4,
                        .input = "zeros",
                        .seconds = 0.5,
                        .cpu_seconds = 0.25,
                        .wait_seconds = 0.125}};
  const auto read = WorkerMeasurementsFromJson(nlohmann::json(made).dump());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->concurrency, 2);
  ASSERT_EQ(read->measurements.size(), 1U);
  EXPECT_EQ(read->measurements[0].method, "run");
  EXPECT_EQ(read->measurements[0].rows, 4);
  EXPECT_EQ(read->measurements[0].input, "zeros");
  EXPECT_EQ(read->measurements[0].seconds, 0.5);
  EXPECT_EQ(read->measurements[0].cpu_seconds, 0.25);
  EXPECT_EQ(read->measurements[0].wait_seconds, 0.125);
}

TEST(MeasurementTest, BrokenTextIsAnError) {
  for (const char* text :
       {"", "[]", "{}", R"({"concurrency": 1})", R"({"concurrency": 1, "measurements": [3]})",
        R"({"concurrency": 1, "measurements": [{"method": "run", "rows": 1}]})"}) {
    EXPECT_FALSE(WorkerMeasurementsFromJson(text).ok()) << text;
  }
}

TEST(MeasurementTest, AMemberThatIsNoSuchNumberOrTextIsAnError) {
  const nlohmann::json one = {{"method", "run"}, {"rows", 1},        {"input", "zeros"},
                              {"seconds", 1},    {"cpu_seconds", 1}, {"wait_seconds", 0}};
  const nlohmann::json good = {{"concurrency", 1}, {"measurements", nlohmann::json::array({one})}};
  ASSERT_TRUE(WorkerMeasurementsFromJson(good.dump()).ok());
  const std::pair<const char*, std::vector<nlohmann::json>> cases[] = {
      {"/concurrency", {0, -1, 0.5, 1e300, 1 << 17, "1"}},
      {"/measurements/0/method", {1}},
      {"/measurements/0/rows", {0, -1, 0.5, 1e300, uint64_t{1} << 63, "1"}},
      {"/measurements/0/input", {3}},
      {"/measurements/0/seconds", {0, -1, "1"}},
      {"/measurements/0/cpu_seconds", {0, -1, "1"}},
      {"/measurements/0/wait_seconds", {-1, "1"}},
  };
  for (const auto& [member, values] : cases) {
    for (const nlohmann::json& value : values) {
      nlohmann::json broken = good;
      broken[nlohmann::json::json_pointer(member)] = value;
      EXPECT_FALSE(WorkerMeasurementsFromJson(broken.dump()).ok()) << broken;
    }
  }
}

}  // namespace
}  // namespace tiffin
