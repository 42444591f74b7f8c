#include "gateway/client/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/tensor.h"

namespace tiffin::gateway::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Model ModelOf(std::vector<Port> inputs) {
  return {.name = "demo.go", .inputs = std::move(inputs), .outputs = {}};
}

Port Single(const std::string& name, ValueKind kind, bool has_rows = false) {
  return {.spec = {name, SingleType(kind)}, .has_rows = has_rows};
}

Port Tensor(Shape shape, bool has_rows = false, DataType dtype = DataType::kFp32) {
  return {.spec = {"x", TensorType(dtype, std::move(shape))}, .has_rows = has_rows};
}

absl::StatusOr<inference::ModelInferRequest> Made(const Model& model,
                                                  const std::vector<std::string>& texts) {
  std::vector<Argument> arguments;
  for (const std::string& text : texts) arguments.push_back(*ReadArgument(text));
  return MakeRequest(model, arguments);
}

std::string ErrorOf(const Model& model, const std::vector<std::string>& texts) {
  return Made(model, texts).status().ToString();
}

TEST(InputsTest, AValueWithoutANameIsTheInputThatIsLeft) {
  const Model model = ModelOf({Single("a", ValueKind::kText), Single("b", ValueKind::kText)});
  const auto request = Made(model, {"b=second", "first"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->model_name(), "demo.go");
  EXPECT_EQ(request->raw_input_contents(0), std::string("\5\0\0\0first", 9));
  EXPECT_EQ(request->raw_input_contents(1), std::string("\6\0\0\0second", 10));
  EXPECT_THAT(ErrorOf(model, {"first", "second"}), HasSubstr("'first' has no name"));
  EXPECT_THAT(ErrorOf(model, {"a=1", "b=2", "c"}), HasSubstr("'c' is one too many"));
}

TEST(InputsTest, RowsAreGivenOneAfterTheOther) {
  const auto request =
      Made(ModelOf({Single("a", ValueKind::kBytes, /*has_rows=*/true)}), {"a=x", "a=y"});
  EXPECT_THAT(request->inputs(0).shape(), ElementsAre(2));
  EXPECT_THAT(ErrorOf(ModelOf({Single("a", ValueKind::kBytes)}), {"a=x", "a=y"}),
              HasSubstr("'a' is given twice"));
}

TEST(InputsTest, TensorsAreJson) {
  const auto request = Made(ModelOf({Tensor({-1, 2})}), {"[[1, 2], [3, 4], [5, 6]]"});
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs(0).datatype(), "FP32");
  EXPECT_THAT(request->inputs(0).shape(), ElementsAre(3, 2));
  EXPECT_EQ(request->raw_input_contents(0).size(), 24);
}

TEST(InputsTest, OneRowOfATensorWillDo) {
  const auto request = Made(ModelOf({Tensor({2}, /*has_rows=*/true)}), {"x=[1, 2]"});
  EXPECT_THAT(request->inputs(0).shape(), ElementsAre(1, 2));
}

TEST(InputsTest, MistakesSayTheTypeAndWhatToWrite) {
  EXPECT_THAT(ErrorOf(ModelOf({Tensor({2}, /*has_rows=*/true)}), {"x=[1, 2, 3]"}),
              HasSubstr("input 'x' is fp32[rows,2], but its shape is [1,3]; write x='[[0, 1, "
                        "...]]', or x=@FILE with JSON or .npy"));
  EXPECT_THAT(ErrorOf(ModelOf({Tensor({2})}), {"x=oops"}), HasSubstr("is not JSON"));
  EXPECT_THAT(ErrorOf(ModelOf({Tensor({2})}), {"x=[1, []]"}), HasSubstr("input 'x' is fp32[2]"));
  EXPECT_THAT(ErrorOf(ModelOf({Tensor({2}, false, DataType::kFp16)}), {"x=[1, 2]"}),
              HasSubstr("give an .npy file"));
  EXPECT_THAT(ErrorOf(ModelOf({Single("a", ValueKind::kText)}), {"a=\xff"}),
              HasSubstr("this is not UTF-8"));
  EXPECT_THAT(ErrorOf(ModelOf({Single("a", ValueKind::kJson)}), {"a={"}),
              HasSubstr("does not parse as JSON"));
  EXPECT_THAT(ErrorOf(ModelOf({Single("a", ValueKind::kImage)}), {"a=/tmp"}),
              HasSubstr("to send the file, write a=@/tmp"));
  EXPECT_THAT(ErrorOf(ModelOf({Single("picture", ValueKind::kImage)}), {"pictur=x"}),
              HasSubstr("did you mean 'picture'?"));
}

TEST(InputsTest, EveryMissingInputIsNamed) {
  const std::string error = ErrorOf(
      ModelOf({Single("a", ValueKind::kImage), Single("b", ValueKind::kJson), Tensor({})}), {});
  EXPECT_THAT(error, HasSubstr("'a' is missing; it is image: write a=@FILE"));
  EXPECT_THAT(error, HasSubstr("'b' is missing; it is json: write b='{"));
  EXPECT_THAT(error, HasSubstr("'x' is missing; it is fp32[]: write x='0'"));
}

}  // namespace
}  // namespace tiffin::gateway::client
