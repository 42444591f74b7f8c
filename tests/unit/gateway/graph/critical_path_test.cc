#include "gateway/graph/critical_path.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/fakes.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

StepTiming Ended(size_t step, int64_t end_us) {
  StepTiming timing{};
  timing.step = step;
  timing.end = absl::Microseconds(end_us);
  return timing;
}

// pre -> a, b -> verdict
PlanBuilder FanOut() {
  PlanBuilder builder;
  builder.AddInput();
  builder.AddCall("pre", {Input(0)});
  builder.AddCall("a", {Step(0)});
  builder.AddCall("b", {Step(0)});
  builder.AddCall("verdict", {Step(1), Step(2)});
  builder.AddOutput(Step(3));
  return builder;
}

TEST(CriticalPathTest, GoesThroughTheBranchThatCameLast) {
  const PlanBuilder builder = FanOut();
  // In the order in which they started, which need not be the plan's.
  const std::vector<StepTiming> b_last = {Ended(0, 10), Ended(2, 30), Ended(1, 20), Ended(3, 40)};
  EXPECT_THAT(CriticalPath(builder.plan, b_last), ElementsAre(0, 1, 3));
  const std::vector<StepTiming> a_last = {Ended(0, 10), Ended(2, 20), Ended(1, 30), Ended(3, 40)};
  EXPECT_THAT(CriticalPath(builder.plan, a_last), ElementsAre(0, 2, 3));
}

TEST(CriticalPathTest, EndsAtTheOutputThatCameLast) {
  PlanBuilder builder;
  builder.AddInput();
  builder.AddCall("slow", {Input(0)});
  builder.AddCall("fast", {Input(0)});
  builder.AddOutput(Step(1)).AddOutput(Step(0)).AddOutput(Input(0));
  const std::vector<StepTiming> timeline = {Ended(0, 90), Ended(1, 20)};
  EXPECT_THAT(CriticalPath(builder.plan, timeline), ElementsAre(0));
}

TEST(CriticalPathTest, IsEmptyWithoutSteps) {
  PlanBuilder builder;
  builder.AddInput().AddOutput(Input(0));
  EXPECT_THAT(CriticalPath(builder.plan, {}), IsEmpty());
}

}  // namespace
}  // namespace tiffin::gateway
