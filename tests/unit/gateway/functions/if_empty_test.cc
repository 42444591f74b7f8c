#include "gateway/functions/if_empty.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/functions/text_functions.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(IfEmptyTest, ChoosesRowByRow) {
  EXPECT_THAT(RunText(MakeIfEmpty, {TextArgument(), LiteralArgument("NO TEXT"), TextArgument()},
                      {Texts({"read", "", " \n"}), Texts({"a", "b", "c"})}),
              ElementsAre("a", "NO TEXT", "NO TEXT"));
}

TEST(IfEmptyTest, AValueWithMoreElementsThanRowsIsRefused) {
  std::string framed;
  for (const auto* element : {"", ""}) AppendBytesElement(element, framed);
  const Value lying = HeapValue(DataType::kBytes, {1}, framed);
  const auto function =
      MakeIfEmpty(std::vector{TextArgument(), LiteralArgument("NO TEXT"), TextArgument()});
  ASSERT_TRUE(function.ok());
  const std::vector<Value> inputs = {lying, Texts({"a"})};
  EXPECT_FALSE((*function)->Run(inputs, FunctionContext{}).ok());
}

TEST(IfEmptyTest, TakesATextALiteralAndAText) {
  EXPECT_THAT(ErrorOf(MakeIfEmpty, {TextArgument(), TextArgument(), TextArgument()}),
              HasSubstr("it is given (step: text, step: text, step: text)"));
  EXPECT_THAT(ErrorOf(MakeIfEmpty, {TextArgument(), LiteralArgument("x")}),
              HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeIfEmpty, {TextArgument("text"), LiteralArgument("x"), TextArgument()}),
              HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf(MakeIfEmpty, {ValueArgument(TensorType(DataType::kFp32, {1})),
                                    LiteralArgument("x"), TextArgument()}),
              HasSubstr("it is given"));
}

}  // namespace
}  // namespace tiffin::gateway
