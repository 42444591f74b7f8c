#include "gateway/functions/format.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/functions/text_functions.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
Value Numbers(DataType dtype, const std::vector<T>& rows) {
  return HeapValue(dtype, {static_cast<int64_t>(rows.size())},
                   {reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(T)});
}

FunctionArgument Scalar(DataType dtype, std::string keyword) {
  return ValueArgument(TensorType(dtype, {}), std::move(keyword));
}

TEST(FormatTest, FillsTheFieldsOfEachRow) {
  EXPECT_THAT(RunText(MakeFormat,
                      {LiteralArgument(R"({label} {score:.2f}: "{text}")"), TextArgument("label"),
                       Scalar(DataType::kFp32, "score"), TextArgument("text")},
                      {Texts({"POSITIVE", "NEGATIVE"}),
                       Numbers<float>(DataType::kFp32, {0.981F, 0.5F}), Texts({"a {brace}", "ü"})}),
              ElementsAre(R"(POSITIVE 0.98: "a {brace}")", R"(NEGATIVE 0.50: "ü")"));
}

TEST(FormatTest, ShowsEveryKindOfNumber) {
  const auto shown = [](DataType dtype, const Value& value) {
    return RunText(MakeFormat, {LiteralArgument("{x}"), Scalar(dtype, "x")}, {value}).at(0);
  };
  EXPECT_EQ(shown(DataType::kBool, Numbers<uint8_t>(DataType::kBool, {1})), "true");
  EXPECT_EQ(shown(DataType::kUint8, Numbers<uint8_t>(DataType::kUint8, {200})), "200");
  EXPECT_EQ(shown(DataType::kInt8, Numbers<int8_t>(DataType::kInt8, {-3})), "-3");
  EXPECT_EQ(shown(DataType::kUint16, Numbers<uint16_t>(DataType::kUint16, {65535})), "65535");
  EXPECT_EQ(shown(DataType::kInt16, Numbers<int16_t>(DataType::kInt16, {-5})), "-5");
  EXPECT_EQ(shown(DataType::kUint32, Numbers<uint32_t>(DataType::kUint32, {7})), "7");
  EXPECT_EQ(shown(DataType::kInt32, Numbers<int32_t>(DataType::kInt32, {-7})), "-7");
  EXPECT_EQ(shown(DataType::kUint64, Numbers<uint64_t>(DataType::kUint64, {~uint64_t{0}})),
            "18446744073709551615");
  EXPECT_EQ(shown(DataType::kInt64, Numbers<int64_t>(DataType::kInt64, {-9})), "-9");
  EXPECT_EQ(shown(DataType::kFp32, Numbers<float>(DataType::kFp32, {0.1F})), "0.1");
  EXPECT_EQ(shown(DataType::kFp64, Numbers<double>(DataType::kFp64, {0.25})), "0.25");
}

TEST(FormatTest, BracesAreDoubled) {
  EXPECT_THAT(RunText(MakeFormat, {LiteralArgument("{{{x}}}"), TextArgument("x")}, {Texts({"in"})}),
              ElementsAre("{in}"));
}

TEST(FormatTest, ATemplateThatTheValuesDoNotFitIsRefusedWhenItIsMade) {
  EXPECT_THAT(
      ErrorOf(MakeFormat, {LiteralArgument("{y}"), TextArgument("x")}),
      HasSubstr("the template '{y}': has a field {y}, but there is no value 'y'; the fields "
                "may be {x}"));
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{x} {x:.2f}"), TextArgument("x")}),
              HasSubstr("the template '{x} {x:.2f}': the field {x:.2f}: "));
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{x"), TextArgument("x")}),
              HasSubstr("the template '{x'"));
}

TEST(FormatTest, FieldsCanNotBecomeLargeOrBytes) {
  const auto number = ValueArgument(TensorType(DataType::kInt64, {}), "n");
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{x:{n}}"), TextArgument("x"), number}),
              HasSubstr("can't come from a value; write it as a number"));
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{x:2000000000}"), TextArgument("x")}),
              HasSubstr("at most 3 digits"));
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{n:c}"), number}),
              HasSubstr("leave the 'c' out"));
  EXPECT_THAT(RunText(MakeFormat, {LiteralArgument("{{c}} {n:>4}|"), number},
                      {Numbers<int64_t>(DataType::kInt64, {7})}),
              ElementsAre("{c}    7|"));
}

TEST(FormatTest, AValueWithoutAFieldIsRefused) {
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{x}"), TextArgument("x"), TextArgument("y")}),
              HasSubstr("has no field for 'y'; add {y}, or leave the value out"));
}

TEST(FormatTest, TakesTextAndSingleNumbersOnly) {
  for (const ValueType& type : {TensorType(DataType::kFp32, {2}), TensorType(DataType::kFp32, {-1}),
                                TensorType(DataType::kFp16, {}), SingleType(ValueKind::kImage)}) {
    EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{x}"), ValueArgument(type, "x")}),
                HasSubstr("text, or a single number; it is given ('{x}', x=step: "))
        << ToString(type);
  }
}

TEST(FormatTest, TheTemplateComesFirstAndValuesHaveNames) {
  EXPECT_THAT(ErrorOf(MakeFormat, {}), HasSubstr("it is given ()"));
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{x}")}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeFormat, {TextArgument(), TextArgument("x")}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeFormat, {LiteralArgument("{}"), TextArgument()}),
              HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
