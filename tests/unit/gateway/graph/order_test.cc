#include "gateway/graph/order.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Needs = std::vector<std::vector<size_t>>;

TEST(OrderTest, EachStepComesAfterItsNeedsAndOtherwiseAsWritten) {
  const StepOrder result = OrderSteps(Needs{{2}, {}, {1}, {}});
  EXPECT_THAT(result.order, ElementsAre(1, 2, 0, 3));
  EXPECT_THAT(result.cycles, IsEmpty());
}

TEST(OrderTest, NoStepsHaveAnOrder) { EXPECT_THAT(OrderSteps({}).order, IsEmpty()); }

TEST(OrderTest, CycleIsNamedInTheDirectionOfTheData) {
  // 0 feeds 1, 1 feeds 2, 2 feeds 0; 3 is behind them.
  const StepOrder result = OrderSteps(Needs{{2}, {0}, {1}, {2}});
  EXPECT_THAT(result.cycles, ElementsAre(ElementsAre(0, 1, 2)));
  EXPECT_EQ(result.order.size(), 4u);
  EXPECT_EQ(result.order.back(), 3u);
}

TEST(OrderTest, StepThatNeedsItselfIsACycle) {
  EXPECT_THAT(OrderSteps(Needs{{}, {1}}).cycles, ElementsAre(ElementsAre(1)));
}

TEST(OrderTest, AllCyclesAreFoundInOneRun) {
  const StepOrder result = OrderSteps(Needs{{1}, {0}, {3}, {2}, {}});
  EXPECT_THAT(result.cycles, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_THAT(result.order, testing::UnorderedElementsAre(0, 1, 2, 3, 4));
}

}  // namespace
}  // namespace tiffin::gateway
