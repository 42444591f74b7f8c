#include "gateway/functions/cast.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
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
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A single number of type From as `to`.
template <typename From>
absl::StatusOr<Value> Cast(DataType from, From number, std::string to) {
  return RunFunction(MakeCast, {TensorArgument(from, {}), LiteralArgument(std::move(to))},
                     {Tensor<From>(from, {1}, {number})});
}
template <typename To, typename From>
To CastTo(DataType from, From number, std::string to) {
  const auto value = Cast(from, number, std::move(to));
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? NumbersOf<To>(*value).at(0) : To{};
}
std::string CastError(double number, std::string to) {
  return std::string(Message(Cast(DataType::kFp64, number, std::move(to)).status()));
}

TEST(CastTest, KeepsTheShape) {
  const std::vector arguments = {TensorArgument(DataType::kUint8, {2, -1}),
                                 LiteralArgument("fp32")};
  EXPECT_EQ(OutputOf(MakeCast, arguments), "fp32[2,-1]");
  const auto value = RunFunction(MakeCast, arguments,
                                 {Tensor<uint8_t>(DataType::kUint8, {2, 2, 1}, {0, 1, 128, 255})});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dtype, DataType::kFp32);
  EXPECT_EQ(value->shape, (Shape{2, 2, 1}));
  EXPECT_THAT(NumbersOf<float>(*value), ElementsAre(0.F, 1.F, 128.F, 255.F));
}

TEST(CastTest, ToTheSameTypeCopiesNothing) {
  const Value number = Tensor<double>(DataType::kFp64, {1}, {1.5});
  const auto value = RunFunction(
      MakeCast, {TensorArgument(DataType::kFp64, {}), LiteralArgument("fp64")}, {number});
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->buffer, number.buffer);
}

TEST(CastTest, ToAnIntegerCutsTowardsZero) {
  EXPECT_EQ(CastTo<int8_t>(DataType::kFp64, -128.9, "int8"), -128);
  EXPECT_EQ(CastTo<uint8_t>(DataType::kFp64, 255.9, "uint8"), 255);
  EXPECT_EQ(CastTo<uint8_t>(DataType::kFp64, -0.9, "uint8"), 0);
  EXPECT_EQ(CastTo<int64_t>(DataType::kFp64, -0x1p63, "int64"),
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ(CastTo<int32_t>(DataType::kInt64, int64_t{-7}, "int32"), -7);
  EXPECT_EQ(CastTo<uint64_t>(DataType::kBool, uint8_t{1}, "uint64"), 1u);
}

TEST(CastTest, AnIntegerOutOfRangeIsAnError) {
  EXPECT_EQ(Cast(DataType::kInt32, int32_t{300}, "uint8").status(),
            absl::InvalidArgumentError("the value 300 does not fit uint8"));
  EXPECT_EQ(Cast(DataType::kInt8, int8_t{-1}, "uint64").status(),
            absl::InvalidArgumentError("the value -1 does not fit uint64"));
  EXPECT_EQ(CastError(-129, "int8"), "the value -129 does not fit int8");
  EXPECT_EQ(CastError(0x1p63, "int64"), "the value 9.223372036854776e+18 does not fit int64");
  EXPECT_EQ(CastError(0x1p64, "uint64"), "the value 1.8446744073709552e+19 does not fit uint64");
  EXPECT_EQ(CastError(kInfinity, "int32"), "the value inf does not fit int32");
  EXPECT_EQ(CastError(kNan, "int32"), "the value nan does not fit int32");
}

TEST(CastTest, ToAFloatRounds) {
  EXPECT_EQ(CastTo<float>(DataType::kFp64, 0.1, "fp32"), 0.1F);
  EXPECT_EQ(CastTo<float>(DataType::kInt32, int32_t{16777217}, "fp32"), 16777216.F);
  EXPECT_EQ(CastTo<float>(DataType::kFp64, 1e300, "fp32"), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(CastTo<float>(DataType::kFp64, kNan, "fp32")));
  EXPECT_EQ(CastTo<double>(DataType::kBool, uint8_t{2}, "fp64"), 1.0);
}

TEST(CastTest, ToBoolIsTrueUnlessZero) {
  EXPECT_FALSE(CastTo<bool>(DataType::kFp64, -0.0, "bool"));
  EXPECT_TRUE(CastTo<bool>(DataType::kFp64, 0.1, "bool"));
  EXPECT_TRUE(CastTo<bool>(DataType::kInt8, int8_t{-1}, "bool"));
  EXPECT_EQ(CastError(kNan, "bool"), "the value nan does not fit bool");
}

TEST(CastTest, TakesNumbersAndTheNameOfAType) {
  const FunctionArgument number = TensorArgument(DataType::kFp32, {});
  for (const char* name : {"fp16", "bf16", "bytes", "text", "float", ""}) {
    EXPECT_THAT(ErrorOf(MakeCast, {number, LiteralArgument(name)}), HasSubstr("it is given"))
        << name;
  }
  for (const FunctionArgument& other :
       {TensorArgument(DataType::kFp16, {}), TensorArgument(DataType::kBytes, {1}), TextArgument(),
        LiteralArgument("1")}) {
    EXPECT_THAT(ErrorOf(MakeCast, {other, LiteralArgument("fp32")}), HasSubstr("it is given"));
  }
  EXPECT_THAT(ErrorOf(MakeCast, {number}), HasSubstr("it is given (model: fp32[])"));
  EXPECT_THAT(ErrorOf(MakeCast, {number, LiteralOfType(int64_t{1})}), HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
