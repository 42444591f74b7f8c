#include "gateway/functions/label.h"

#include <cstdint>
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

const FunctionArgument kIndex = TensorArgument(DataType::kInt64, {});
const FunctionArgument kScores = TensorArgument(DataType::kFp32, {-1});

FunctionArgument Labels() { return ListArgument<std::string>({"cat", "dog"}); }

TEST(LabelTest, GivesTheTextAtAnIndex) {
  EXPECT_THAT(
      RunText(MakeLabel, {kIndex, Labels()}, {Tensor<int64_t>(DataType::kInt64, {2}, {1, 0})}),
      ElementsAre("dog", "cat"));
  EXPECT_THAT(RunText(MakeLabel, {TensorArgument(DataType::kInt32, {}), Labels()},
                      {Tensor<int32_t>(DataType::kInt32, {2}, {0, 1})}),
              ElementsAre("cat", "dog"));
}

TEST(LabelTest, GivesTheTextOfTheHighestScore) {
  EXPECT_THAT(RunText(MakeLabel, {kScores, Labels()},
                      {Tensor<float>(DataType::kFp32, {3, 2}, {1, 2, 2, 1, 3, 3})}),
              ElementsAre("dog", "cat", "cat"));
}

TEST(LabelTest, AnIndexWithoutALabelIsAnError) {
  const auto error_at = [](int64_t index) {
    return std::string(Message(RunFunction(MakeLabel, {kIndex, Labels()},
                                           {Tensor<int64_t>(DataType::kInt64, {1}, {index})})
                                   .status()));
  };
  EXPECT_EQ(error_at(2), "model gave the index 2, which has no label; there are 2, from 0");
  EXPECT_THAT(error_at(-1), HasSubstr("the index -1,"));
}

TEST(LabelTest, ThereMustBeAsManyLabelsAsScores) {
  EXPECT_EQ(ErrorOf(MakeLabel, {TensorArgument(DataType::kFp32, {3}), Labels()}),
            "model gives 3 scores, and there are 2 labels; write one for each");
  EXPECT_EQ(RunFunction(MakeLabel, {kScores, Labels()},
                        {Tensor<float>(DataType::kFp32, {1, 3}, {1, 2, 3})})
                .status(),
            absl::InvalidArgumentError("model gave 3 scores, and there are 2 labels"));
}

TEST(LabelTest, TakesAnIndexOrScoresAndAListOfTexts) {
  for (const FunctionArgument& argument :
       {TensorArgument(DataType::kFp32, {}), TensorArgument(DataType::kUint8, {}),
        TensorArgument(DataType::kFp32, {2, 2}), TextArgument()}) {
    EXPECT_THAT(ErrorOf(MakeLabel, {argument, Labels()}), HasSubstr("one for each index; it is"));
  }
  EXPECT_THAT(ErrorOf(MakeLabel, {kIndex, ListArgument<int64_t>({1, 2})}),
              HasSubstr("it is given (model: int64[], [1, 2])"));
  EXPECT_THAT(ErrorOf(MakeLabel, {kIndex, ListArgument<std::string>({})}), HasSubstr("given"));
  EXPECT_THAT(ErrorOf(MakeLabel, {kIndex, LiteralArgument("cat")}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeLabel, {kIndex}), HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
