#include "common/measurement.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tiffin {
namespace {

TEST(MeasurementTest, ComesBackAsItWasWritten) {
  WorkerMeasurements made;
  made.concurrency = 2;
  made.input = "zeros";
  made.measurements = {{.method = "run", .rows = 4, .seconds = 0.5, .cpu_seconds = 0.25}};
  const auto read = WorkerMeasurementsFromJson(nlohmann::json(made).dump());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->concurrency, 2);
  EXPECT_EQ(read->input, "zeros");
  ASSERT_EQ(read->measurements.size(), 1U);
  EXPECT_EQ(read->measurements[0].method, "run");
  EXPECT_EQ(read->measurements[0].rows, 4);
  EXPECT_EQ(read->measurements[0].seconds, 0.5);
  EXPECT_EQ(read->measurements[0].cpu_seconds, 0.25);
}

TEST(MeasurementTest, BrokenTextIsAnError) {
  for (const char* text :
       {"", "[]", "{}", R"({"concurrency": 0, "input": "", "measurements": []})",
        R"({"concurrency": 1, "input": 3, "measurements": []})",
        R"({"concurrency": 1, "input": "", "measurements": [3]})",
        R"({"concurrency": 1, "input": "", "measurements": [{"method": "run", "rows": 1}]})",
        R"({"concurrency": 1, "input": "", "measurements":
            [{"method": "run", "rows": 1, "seconds": 0, "cpu_seconds": 1}]})"}) {
    EXPECT_FALSE(WorkerMeasurementsFromJson(text).ok()) << text;
  }
}

}  // namespace
}  // namespace tiffin
