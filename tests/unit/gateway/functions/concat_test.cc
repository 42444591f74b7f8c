#include "gateway/functions/concat.h"

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

FunctionArgument Numbers(int64_t size) { return TensorArgument(DataType::kInt32, {size}); }

TEST(ConcatTest, TensorsAreJoinedRowByRow) {
  EXPECT_EQ(OutputOf(MakeConcat, {Numbers(2), Numbers(1)}), "int32[3]");
  const auto value = RunFunction(MakeConcat, {Numbers(2), Numbers(1)},
                                 {Tensor<int32_t>(DataType::kInt32, {2, 2}, {1, 2, 3, 4}),
                                  Tensor<int32_t>(DataType::kInt32, {2, 1}, {5, 6})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dtype, DataType::kInt32);
  EXPECT_EQ(value->shape, (Shape{2, 3}));
  EXPECT_THAT(NumbersOf<int32_t>(*value), ElementsAre(1, 2, 5, 3, 4, 6));
}

TEST(ConcatTest, AnOpenSizeLeavesTheSumOpen) {
  EXPECT_EQ(OutputOf(MakeConcat, {Numbers(2), Numbers(-1), Numbers(-1)}), "int32[-1]");
  const auto value = RunFunction(MakeConcat, {Numbers(2), Numbers(-1), Numbers(-1)},
                                 {Tensor<int32_t>(DataType::kInt32, {1, 2}, {1, 2}),
                                  Tensor<int32_t>(DataType::kInt32, {1, 0}, {}),
                                  Tensor<int32_t>(DataType::kInt32, {1, 1}, {3})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->shape, (Shape{1, 3}));
  EXPECT_THAT(NumbersOf<int32_t>(*value), ElementsAre(1, 2, 3));
}

TEST(ConcatTest, TensorsOfTextsAreJoinedToo) {
  const FunctionArgument words = TensorArgument(DataType::kBytes, {1});
  Value first = Texts({"a", "bc"});
  Value second = Texts({"", "d"});
  first.shape = second.shape = {2, 1};
  const auto value = RunFunction(MakeConcat, {words, words}, {first, second});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->shape, (Shape{2, 2}));
  EXPECT_THAT(*ParseBytesElements(value->View()->bytes), ElementsAre("a", "", "bc", "d"));
}

TEST(ConcatTest, TextsAreJoinedAsTheyAre) {
  EXPECT_THAT(RunText(MakeConcat, {TextArgument(), TextArgument(), TextArgument()},
                      {Texts({"a", " "}), Texts({"b ", ""}), Texts({"c", "x"})}),
              ElementsAre("ab c", " x"));
}

TEST(ConcatTest, TakesTwoOrMoreOfOneKind) {
  EXPECT_THAT(ErrorOf(MakeConcat, {}), HasSubstr("it is given ()"));
  EXPECT_THAT(ErrorOf(MakeConcat, {Numbers(2)}), HasSubstr("it is given (model: int32[2])"));
  for (const FunctionArgument& other :
       {TensorArgument(DataType::kFp32, {2}), TensorArgument(DataType::kInt32, {}),
        TensorArgument(DataType::kInt32, {2, 2}), TextArgument(), LiteralArgument("a"),
        ValueArgument(TensorType(DataType::kInt32, {2}), "b"),
        Numbers(std::numeric_limits<int64_t>::max())}) {
    EXPECT_THAT(ErrorOf(MakeConcat, {Numbers(2), other}), HasSubstr("it is given"));
  }
  EXPECT_THAT(ErrorOf(MakeConcat, {TextArgument(), ValueArgument(SingleType(ValueKind::kImage))}),
              HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
