#include "gateway/functions/argmax.h"

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

const FunctionArgument kScores = TensorArgument(DataType::kFp32, {-1});

TEST(ArgmaxTest, GivesTheIndexOfTheHighestScoreOfEachRow) {
  EXPECT_EQ(OutputOf(MakeArgmax, {kScores}), "int64[]");
  const auto value = RunFunction(MakeArgmax, {kScores},
                                 {Tensor<float>(DataType::kFp32, {2, 3}, {1, 3, 2, -1, -2, -3})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dtype, DataType::kInt64);
  EXPECT_EQ(value->shape, (Shape{2}));
  EXPECT_THAT(NumbersOf<int64_t>(*value), ElementsAre(1, 0));
}

TEST(ArgmaxTest, TiesGoToTheLowerIndexAndNotANumberIsNeverTheHighest) {
  const auto value = RunFunction(MakeArgmax, {kScores},
                                 {Tensor<float>(DataType::kFp32, {2, 3}, {1, 2, 2, kNan, 1, 2})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_THAT(NumbersOf<int64_t>(*value), ElementsAre(1, 2));
}

TEST(ArgmaxTest, LargeIntegersAreToldApart) {
  constexpr int64_t kLarge = int64_t{1} << 60;
  const auto value =
      RunFunction(MakeArgmax, {TensorArgument(DataType::kInt64, {3})},
                  {Tensor<int64_t>(DataType::kInt64, {1, 3}, {kLarge, kLarge + 1, kLarge - 1})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_THAT(NumbersOf<int64_t>(*value), ElementsAre(1));
}

TEST(ArgmaxTest, NoNumberAtAllIsAnError) {
  EXPECT_EQ(RunFunction(MakeArgmax, {kScores},
                        {Tensor<float>(DataType::kFp32, {2, 2}, {1, 2, kNan, kNan})})
                .status(),
            absl::InvalidArgumentError("model gave no answer: none of its 2 scores is a number"));
  EXPECT_EQ(
      RunFunction(MakeArgmax, {kScores}, {Tensor<float>(DataType::kFp32, {1, 0}, {})}).status(),
      absl::InvalidArgumentError("model gave no scores; at least one is needed"));
}

TEST(ArgmaxTest, TakesOneTensorOfOneDimension) {
  for (const FunctionArgument& argument :
       {TensorArgument(DataType::kFp32, {}), TensorArgument(DataType::kFp32, {2, 2}),
        TensorArgument(DataType::kFp32, {0}), TensorArgument(DataType::kFp16, {2}),
        TensorArgument(DataType::kBool, {2}), TensorArgument(DataType::kBytes, {2}), TextArgument(),
        LiteralArgument("a")}) {
    EXPECT_THAT(ErrorOf(MakeArgmax, {argument}), HasSubstr("fp32 or fp64; it is given ("));
  }
  EXPECT_THAT(ErrorOf(MakeArgmax, {}), HasSubstr("it is given ()"));
  EXPECT_THAT(ErrorOf(MakeArgmax, {kScores, kScores}), HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
