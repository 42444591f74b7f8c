#include "gateway/functions/softmax.h"

#include <cmath>
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

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::IsNan;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

const FunctionArgument kScores = TensorArgument(DataType::kFp32, {-1});

std::vector<float> Softmax(const std::vector<float>& row) {
  const auto value =
      RunFunction(MakeSoftmax, {kScores},
                  {Tensor<float>(DataType::kFp32, {1, static_cast<int64_t>(row.size())}, row)});
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? NumbersOf<float>(*value) : std::vector<float>();
}

TEST(SoftmaxTest, EachRowAddsUpToOne) {
  const auto value = RunFunction(
      MakeSoftmax, {kScores}, {Tensor<float>(DataType::kFp32, {2, 2}, {0, 0, 0, std::log(3.F)})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dtype, DataType::kFp32);
  EXPECT_EQ(value->shape, (Shape{2, 2}));
  EXPECT_THAT(NumbersOf<float>(*value), ElementsAre(0.5F, 0.5F, FloatEq(0.25F), FloatEq(0.75F)));
}

TEST(SoftmaxTest, KeepsItsType) {
  EXPECT_EQ(OutputOf(MakeSoftmax, {kScores}), "fp32[-1]");
  const FunctionArgument argument = TensorArgument(DataType::kFp64, {2});
  EXPECT_EQ(OutputOf(MakeSoftmax, {argument}), "fp64[2]");
  const auto value =
      RunFunction(MakeSoftmax, {argument}, {Tensor<double>(DataType::kFp64, {1, 2}, {7, 7})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_THAT(NumbersOf<double>(*value), ElementsAre(0.5, 0.5));
}

TEST(SoftmaxTest, LargeScoresDoNotOverflow) {
  EXPECT_THAT(Softmax({3e38F, 3e38F, -3e38F}), ElementsAre(0.5F, 0.5F, 0.F));
  EXPECT_THAT(Softmax({-1000, -1000}), ElementsAre(0.5F, 0.5F));
}

TEST(SoftmaxTest, NoScoreAtAllStaysEmpty) { EXPECT_THAT(Softmax({}), ElementsAre()); }

TEST(SoftmaxTest, MinusInfinityHasNoProbability) {
  EXPECT_THAT(Softmax({-kInfinity, 2}), ElementsAre(0.F, 1.F));
}

TEST(SoftmaxTest, WhatIsNotFiniteMakesTheWholeRowNaN) {
  EXPECT_THAT(Softmax({1, kNan}), Each(IsNan()));
  EXPECT_THAT(Softmax({kNan, 1}), Each(IsNan()));
  EXPECT_THAT(Softmax({kInfinity, 1}), Each(IsNan()));
  EXPECT_THAT(Softmax({-kInfinity, -kInfinity}), Each(IsNan()));
}

TEST(SoftmaxTest, TakesOneTensorOfOneDimension) {
  for (const FunctionArgument& argument :
       {TensorArgument(DataType::kFp32, {}), TensorArgument(DataType::kFp32, {2, 2}),
        TensorArgument(DataType::kInt64, {2}), TensorArgument(DataType::kFp16, {2}),
        LiteralArgument("a")}) {
    EXPECT_THAT(ErrorOf(MakeSoftmax, {argument}), HasSubstr("fp32 or fp64; it is given ("));
  }
  EXPECT_THAT(ErrorOf(MakeSoftmax, {kScores, kScores}), HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
