#include "gateway/resources/tuning_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/resources/profiles.h"

namespace tiffin::gateway {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(TuningTextTest, EachMethodHasWhatItWasMeasuredOn) {
  WorkerMeasurements two = Single(0.1);
  two.measurements.push_back(two.measurements[0]);
  two.measurements[1].method = "words";
  two.measurements[1].input = "--example";
  EXPECT_THAT(MeasurementText("s", {{"r", {{1, two}}}}),
              ElementsAre("measured: s", HasSubstr("measured on"),
                          AllOf(HasSubstr("r.run "), HasSubstr("zeros")),
                          AllOf(HasSubstr("r.words "), HasSubstr("--example"))));
}

}  // namespace
}  // namespace tiffin::gateway
