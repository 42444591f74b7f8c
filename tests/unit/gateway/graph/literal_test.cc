#include "gateway/graph/literal.h"

#include <cstdint>
#include <string>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/fakes.h"

namespace tiffin::gateway {
namespace {

using config::Literal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Literal Number(int64_t number) { return Literal{number}; }
Literal Real(double number) { return Literal{number}; }
Literal Text(std::string text) { return Literal{std::move(text)}; }
Literal List(std::vector<Literal> list) { return Literal{std::move(list)}; }

std::string ErrorOf(const Literal& literal, const ValueType& type) {
  const auto value = LiteralValue(literal, type);
  EXPECT_FALSE(value.ok());
  return std::string(Message(value.status()));
}

uint16_t Bits(double number, DataType dtype) {
  const auto value = LiteralValue(Real(number), TensorType(dtype, {}));
  EXPECT_TRUE(value.ok()) << value.status();
  return value->View()->As<uint16_t>()[0];
}

TEST(LiteralTest, NumberIsOneRowOfTheSignaturesType) {
  const auto value = LiteralValue(Number(3), TensorType(DataType::kFp32, {}));
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dtype, DataType::kFp32);
  EXPECT_EQ(value->shape, Shape({1}));
  EXPECT_THAT(value->View()->As<float>(), ElementsAre(3.0f));
}

TEST(LiteralTest, ListHasItsShapeBehindTheRow) {
  const Literal list = List({List({Number(1), Number(2)}), List({Number(3), Number(4)})});
  const auto value = LiteralValue(list, TensorType(DataType::kInt64, {-1, 2}));
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->shape, Shape({1, 2, 2}));
  EXPECT_THAT(NumbersOf(*value), ElementsAre(1, 2, 3, 4));
}

TEST(LiteralTest, WrongShapeIsNamedWithTheRightOne) {
  EXPECT_EQ(ErrorOf(List({Number(1), Number(2), Number(3)}), TensorType(DataType::kFp32, {2})),
            "the literal [1, 2, 3] has the shape [3], and fp32[2] is expected");
  EXPECT_THAT(ErrorOf(Number(1), TensorType(DataType::kFp32, {2})), HasSubstr("fp32[2]"));
}

TEST(LiteralTest, UnequalListsAreRefused) {
  const Literal list = List({List({Number(1)}), List({Number(2), Number(3)})});
  EXPECT_THAT(ErrorOf(list, TensorType(DataType::kInt64, {-1, -1})), HasSubstr("equally long"));
  EXPECT_THAT(ErrorOf(List({Number(1), List({})}), TensorType(DataType::kInt64, {-1})),
              HasSubstr("equally long"));
}

TEST(LiteralTest, IntegersEndWhereTheirTypeEnds) {
  EXPECT_TRUE(LiteralValue(Number(-128), TensorType(DataType::kInt8, {})).ok());
  EXPECT_EQ(ErrorOf(Number(-129), TensorType(DataType::kInt8, {})),
            "the literal -129 does not fit int8: it goes from -128 to 127");
  EXPECT_THAT(ErrorOf(Number(-1), TensorType(DataType::kUint64, {})),
              HasSubstr("from 0 to 18446744073709551615"));
  EXPECT_THAT(ErrorOf(Real(1.5), TensorType(DataType::kInt32, {})), HasSubstr("whole numbers"));
}

TEST(LiteralTest, FloatsEndWhereTheirTypeEnds) {
  EXPECT_THAT(ErrorOf(Real(1e39), TensorType(DataType::kFp32, {})), HasSubstr("too large"));
  EXPECT_THAT(ErrorOf(Number(65520), TensorType(DataType::kFp16, {})), HasSubstr("too large"));
  EXPECT_TRUE(LiteralValue(Real(1e39), TensorType(DataType::kFp64, {})).ok());
}

TEST(LiteralTest, SmallFloatsAreRoundedToTheNearest) {
  EXPECT_EQ(Bits(1.0, DataType::kFp16), 0x3c00);
  EXPECT_EQ(Bits(-2.0, DataType::kFp16), 0xc000);
  EXPECT_EQ(Bits(65504.0, DataType::kFp16), 0x7bff);
  EXPECT_EQ(Bits(65519.0, DataType::kFp16), 0x7bff);
  EXPECT_EQ(Bits(0.1, DataType::kFp16), 0x2e66);
  EXPECT_EQ(Bits(0.0, DataType::kFp16), 0x0000);
  EXPECT_EQ(Bits(5.960464477539063e-08, DataType::kFp16), 0x0001);  // The smallest.
  EXPECT_EQ(Bits(6.103515625e-05, DataType::kFp16), 0x0400);        // The smallest normal one.
  EXPECT_EQ(Bits(6.1e-05, DataType::kFp16), 0x03ff);
  EXPECT_EQ(Bits(1e-12, DataType::kFp16), 0x0000);
  EXPECT_EQ(Bits(1.99999, DataType::kFp16), 0x4000);  // Carries into the exponent.
  EXPECT_EQ(Bits(1.0, DataType::kBf16), 0x3f80);
  EXPECT_EQ(Bits(-0.1, DataType::kBf16), 0xbdcd);
}

TEST(LiteralTest, BoolTakesTrueAndFalseOnly) {
  const auto value = LiteralValue(Literal{true}, TensorType(DataType::kBool, {}));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->View()->As<uint8_t>()[0], 1);
  EXPECT_THAT(ErrorOf(Number(1), TensorType(DataType::kBool, {})), HasSubstr("true or false"));
  EXPECT_THAT(ErrorOf(Literal{true}, TensorType(DataType::kInt32, {})), HasSubstr("whole numbers"));
}

TEST(LiteralTest, TextIsOneElement) {
  const auto value = LiteralValue(Text("hello"), SingleType(ValueKind::kText));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->shape, Shape({1}));
  EXPECT_THAT(TextsOf(*value), ElementsAre("hello"));
  const auto list = LiteralValue(List({Text("a"), Text("b")}), TensorType(DataType::kBytes, {2}));
  EXPECT_EQ(list->shape, Shape({1, 2}));
  EXPECT_THAT(TextsOf(*list), ElementsAre("a", "b"));
}

TEST(LiteralTest, JsonTakesAnyLiteralAndTextThatIsJson) {
  const ValueType json = SingleType(ValueKind::kJson);
  EXPECT_THAT(TextsOf(*LiteralValue(List({Number(1), Literal{false}, Text("x")}), json)),
              ElementsAre("[1,false,\"x\"]"));
  EXPECT_THAT(TextsOf(*LiteralValue(Text("{\"a\": 1}"), json)), ElementsAre("{\"a\": 1}"));
  EXPECT_THAT(ErrorOf(Text("hello"), json), HasSubstr("is not JSON"));
}

TEST(LiteralTest, NoLiteralIsAnImage) {
  EXPECT_THAT(ErrorOf(Text("cat.png"), SingleType(ValueKind::kImage)), HasSubstr("no image"));
}

TEST(LiteralTest, IsWrittenAsInServiceFiles) {
  EXPECT_EQ(ToString(List({Number(1), Real(2.5), Text("x"), Literal{true}})),
            "[1, 2.5, 'x', true]");
}

}  // namespace
}  // namespace tiffin::gateway
