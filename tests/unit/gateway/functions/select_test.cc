#include "gateway/functions/select.h"

#include <string>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;

// Nobody may read these bytes.
class UnreadableBuffer : public Buffer {
 public:
  absl::StatusOr<std::span<const std::byte>> Bytes() const override {
    ADD_FAILURE() << "the bytes were read";
    return absl::InternalError("unreadable");
  }
  uint64_t size() const override { return 4; }
};

FunctionArgument Tensor(Shape shape) {
  return {.keyword = "",
          .origin = "a",
          .type = TensorType(DataType::kFp32, std::move(shape)),
          .literal = {}};
}
FunctionArgument Index(int64_t index) {
  return {.keyword = "index", .origin = "", .type = {}, .literal = config::Literal{index}};
}
std::string ErrorOf(const std::vector<FunctionArgument>& arguments) {
  const auto function = MakeSelect(arguments);
  EXPECT_FALSE(function.ok());
  return std::string(Message(function.status()));
}

TEST(SelectTest, ReturnsTheValueAtTheIndexWithoutReadingIt) {
  const auto function = MakeSelect(std::vector{Tensor({1}), Tensor({1}), Tensor({1}), Index(1)});
  ASSERT_TRUE(function.ok()) << function.status();
  EXPECT_EQ(ToString((*function)->output()), "fp32[1]");
  std::vector<Value> inputs(3, Value{DataType::kFp32, {1, 1}, nullptr});
  for (Value& input : inputs) input.buffer = std::make_shared<UnreadableBuffer>();
  const auto selected = (*function)->Run(inputs, FunctionContext{});
  ASSERT_TRUE(selected.ok());
  EXPECT_EQ(selected->buffer, inputs[1].buffer);
}

TEST(SelectTest, ValuesMustHaveOneType) {
  EXPECT_THAT(ErrorOf({Tensor({1}), Tensor({2}), Index(0)}),
              HasSubstr("of one type, and which of them to return, counted from 0; it is given (a: "
                        "fp32[1], a: fp32[2], index=0)"));
}

TEST(SelectTest, IndexMustNameOneOfThem) {
  EXPECT_EQ(ErrorOf({Tensor({1}), Tensor({1}), Index(2)}),
            "index=2 names none of its 2 values; write 0 to 1");
  EXPECT_THAT(ErrorOf({Tensor({1}), Tensor({1}), Index(-1)}), HasSubstr("names none"));
}

TEST(SelectTest, IndexMustBeALiteralGivenOnceByName) {
  FunctionArgument positional = Index(0);
  positional.keyword = "";
  FunctionArgument text = Index(0);
  text.literal = config::Literal{std::string("0")};
  EXPECT_THAT(ErrorOf({Tensor({1}), Tensor({1})}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf({Tensor({1}), Tensor({1}), positional}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf({Tensor({1}), Tensor({1}), text}), HasSubstr("it is given"));
  EXPECT_THAT(ErrorOf({Tensor({1}), Tensor({1}), Index(0), Index(0)}), HasSubstr("it is given"));
}

TEST(SelectTest, OneValueIsTooFew) {
  EXPECT_THAT(ErrorOf({Tensor({1}), Index(0)}), HasSubstr("two values or more"));
  EXPECT_THAT(ErrorOf({}), HasSubstr("two values or more"));
}

}  // namespace
}  // namespace tiffin::gateway
