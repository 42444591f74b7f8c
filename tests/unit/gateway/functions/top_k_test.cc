#include "gateway/functions/top_k.h"

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

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const FunctionArgument kScores = TensorArgument(DataType::kFp64, {-1});

FunctionArgument K(int64_t k) { return LiteralOfType(k, "k"); }

TEST(TopKTest, GivesTheIndicesOfEachRowBestFirst) {
  EXPECT_EQ(OutputOf(MakeTopK, {kScores, K(2)}), "int64[2]");
  const auto value =
      RunFunction(MakeTopK, {kScores, K(2)},
                  {Tensor<double>(DataType::kFp64, {2, 4}, {0.1, 0.4, 0.2, 0.3, 4, 3, 2, 1})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->shape, (Shape{2, 2}));
  EXPECT_THAT(NumbersOf<int64_t>(*value), ElementsAre(1, 3, 0, 1));
}

TEST(TopKTest, OfEqualsTheLowerIndexIsFirst) {
  const auto value = RunFunction(MakeTopK, {TensorArgument(DataType::kUint8, {5}), K(3)},
                                 {Tensor<uint8_t>(DataType::kUint8, {1, 5}, {7, 200, 7, 200, 7})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_THAT(NumbersOf<int64_t>(*value), ElementsAre(1, 3, 0));
}

TEST(TopKTest, WhatIsNotANumberIsLeftOut) {
  const Value scores = Tensor<double>(DataType::kFp64, {1, 3}, {kNan, 1, 2});
  const auto value = RunFunction(MakeTopK, {kScores, K(2)}, {scores});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_THAT(NumbersOf<int64_t>(*value), ElementsAre(2, 1));
  EXPECT_EQ(
      RunFunction(MakeTopK, {kScores, K(3)}, {scores}).status(),
      absl::InvalidArgumentError("k=3 is more than the 2 numbers among the 3 scores of model"));
}

TEST(TopKTest, ThereMustBeAsManyScores) {
  EXPECT_EQ(ErrorOf(MakeTopK, {TensorArgument(DataType::kFp32, {3}), K(4)}),
            "k=4 is more than the 3 scores of model; write 1 to 3");
  EXPECT_EQ(OutputOf(MakeTopK, {TensorArgument(DataType::kFp32, {3}), K(3)}), "int64[3]");
  const auto value = RunFunction(MakeTopK, {kScores, K(int64_t{1} << 62)},
                                 {Tensor<double>(DataType::kFp64, {1, 1}, {1})});
  EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TopKTest, TakesScoresAndALiteral) {
  EXPECT_THAT(ErrorOf(MakeTopK, {kScores}), HasSubstr("it is given (model: fp64[-1])"));
  EXPECT_THAT(ErrorOf(MakeTopK, {kScores, K(0)}), HasSubstr("1 or more; it is given"));
  EXPECT_THAT(ErrorOf(MakeTopK, {kScores, LiteralOfType(int64_t{1})}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeTopK, {kScores, LiteralOfType(1.5, "k")}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeTopK, {TensorArgument(DataType::kFp64, {2, 2}), K(1)}),
              HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
