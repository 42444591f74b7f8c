#include "gateway/functions/threshold.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/functions/number_functions.h"
#include "tests/unit/gateway/functions/text_functions.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

FunctionArgument At(double at) { return LiteralOfType(at, "at"); }

TEST(ThresholdTest, IsTrueFromTheThresholdOn) {
  const FunctionArgument scores = TensorArgument(DataType::kFp64, {-1});
  EXPECT_EQ(OutputOf(MakeThreshold, {scores, At(0.5)}), "bool[-1]");
  const auto value = RunFunction(
      MakeThreshold, {scores, At(0.5)},
      {Tensor<double>(DataType::kFp64, {2, 3}, {0.4, 0.5, 0.6, -kInfinity, kInfinity, kNan})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dtype, DataType::kBool);
  EXPECT_EQ(value->shape, (Shape{2, 3}));
  EXPECT_THAT(NumbersOf<bool>(*value), ElementsAre(false, true, true, false, true, false));
}

TEST(ThresholdTest, IsRoundedToTheTypeOfTheScore) {
  const FunctionArgument score = TensorArgument(DataType::kFp32, {});
  EXPECT_EQ(OutputOf(MakeThreshold, {score, At(0.7)}), "bool[]");
  const auto value = RunFunction(MakeThreshold, {score, At(0.7)},
                                 {Tensor<float>(DataType::kFp32, {2}, {0.7F, kNan})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->shape, (Shape{2}));
  EXPECT_THAT(NumbersOf<bool>(*value), ElementsAre(true, false));
}

TEST(ThresholdTest, MayBeAWholeNumber) {
  const auto value = RunFunction(
      MakeThreshold, {TensorArgument(DataType::kFp32, {}), LiteralOfType(int64_t{1}, "at")},
      {Tensor<float>(DataType::kFp32, {2}, {1, 0.99F})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_THAT(NumbersOf<bool>(*value), ElementsAre(true, false));
}

TEST(ThresholdTest, TakesAScoreAndANumber) {
  const FunctionArgument score = TensorArgument(DataType::kFp32, {});
  EXPECT_THAT(ErrorOf(MakeThreshold, {score}), HasSubstr("it is given (model: fp32[])"));
  EXPECT_THAT(ErrorOf(MakeThreshold, {score, LiteralOfType(0.5)}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeThreshold, {score, LiteralOfType(true, "at")}), HasSubstr("at=true"));
  EXPECT_THAT(ErrorOf(MakeThreshold, {score, At(1e39)}), HasSubstr("a number of that type"));
  for (const FunctionArgument& other :
       {TensorArgument(DataType::kFp32, {2, 2}), TensorArgument(DataType::kInt32, {}),
        TextArgument(), LiteralArgument("a")}) {
    EXPECT_THAT(ErrorOf(MakeThreshold, {other, At(0.5)}), HasSubstr("it is given"));
  }
}

}  // namespace
}  // namespace tiffin::gateway
