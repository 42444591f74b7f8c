#include "gateway/functions/reshape.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/functions/number_functions.h"
#include "tests/unit/gateway/functions/text_functions.h"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;

using Dimensions = std::vector<int64_t>;

FunctionArgument Floats(Shape shape) { return TensorArgument(DataType::kFp16, std::move(shape)); }

// The shape that a value of `shape` gets, or the error.
std::string Reshaped(const FunctionArgument& from, const Dimensions& to, Shape shape) {
  const auto value = RunFunction(MakeReshape, {from, ListArgument(to)},
                                 {Value{DataType::kFp16, std::move(shape), nullptr}});
  return value.ok() ? ShapeToString(value->shape) : std::string(Message(value.status()));
}

TEST(ReshapeTest, SharesTheBytes) {
  const Value value = Tensor<uint16_t>(DataType::kFp16, {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto result =
      RunFunction(MakeReshape, {Floats({4}), ListArgument<int64_t>({2, -1})}, {value});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->buffer, value.buffer);
  EXPECT_EQ(result->dtype, DataType::kFp16);
  EXPECT_EQ(result->shape, (Shape{2, 2, 2}));
}

TEST(ReshapeTest, FindsTheOpenDimensionWhereTheSizesAreKnown) {
  const auto output = [](Shape from, const Dimensions& to) {
    return OutputOf(MakeReshape, {Floats(std::move(from)), ListArgument(to)});
  };
  EXPECT_EQ(output({2, 6}, {3, -1, 2}), "fp16[3,2,2]");
  EXPECT_EQ(output({2, 6}, {-1}), "fp16[12]");
  EXPECT_EQ(output({2, 6}, {12, 1}), "fp16[12,1]");
  EXPECT_EQ(output({1, 1}, {}), "fp16[]");
  EXPECT_EQ(output({}, {1}), "fp16[1]");
  EXPECT_EQ(output({0, 3}, {-1, 5}), "fp16[0,5]");
  EXPECT_EQ(output({-1, 6}, {3, -1}), "fp16[3,-1]");
  EXPECT_EQ(output({-1, 6}, {3, 4}), "fp16[3,4]");
}

TEST(ReshapeTest, WhatWasOpenIsFoundForEachValue) {
  EXPECT_EQ(Reshaped(Floats({-1}), {3, -1}, {5, 12}), "[5,3,4]");
  EXPECT_EQ(Reshaped(Floats({-1}), {3, 4}, {5, 12}), "[5,3,4]");
  EXPECT_EQ(Reshaped(Floats({-1}), {3, -1}, {5, 10}),
            "the 10 elements of shape [10] don't fill the shape [3,-1]");
  EXPECT_EQ(Reshaped(Floats({-1}), {3, 4}, {5, 10}),
            "the 10 elements of shape [10] don't fill the shape [3,4]");
}

TEST(ReshapeTest, TheNumbersOfElementsMustBeEqual) {
  const auto error = [](Shape from, const Dimensions& to) {
    return ErrorOf(MakeReshape, {Floats(std::move(from)), ListArgument(to)});
  };
  EXPECT_EQ(error({2, 3}, {4}), "the 6 elements of shape [2,3] don't fill the shape [4]");
  EXPECT_EQ(error({2, 3}, {4, -1}), "the 6 elements of shape [2,3] don't fill the shape [4,-1]");
  EXPECT_EQ(error({0}, {0, -1}), "the 0 elements of shape [0] don't fill the shape [0,-1]");
  EXPECT_THAT(error({2, 3}, {int64_t{1} << 62, 8}), HasSubstr("more than 2^63-1 elements"));
}

TEST(ReshapeTest, TakesATensorAndAShape) {
  const FunctionArgument shape = ListArgument<int64_t>({-1});
  EXPECT_THAT(ErrorOf(MakeReshape, {TextArgument(), shape}), HasSubstr("it is given (step: text"));
  EXPECT_THAT(ErrorOf(MakeReshape, {TensorArgument(DataType::kBytes, {2}), shape}),
              HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeReshape, {Floats({2})}), HasSubstr("it is given (model: fp16[2])"));
  EXPECT_THAT(ErrorOf(MakeReshape, {Floats({4}), ListArgument<int64_t>({-1, -1})}),
              HasSubstr("one may be -1; it is given (model: fp16[4], [-1, -1])"));
  EXPECT_THAT(ErrorOf(MakeReshape, {Floats({4}), ListArgument<int64_t>({-2})}),
              HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeReshape, {Floats({4}), ListArgument<double>({4.0})}),
              HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeReshape, {Floats({4}), LiteralOfType(int64_t{4})}),
              HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
