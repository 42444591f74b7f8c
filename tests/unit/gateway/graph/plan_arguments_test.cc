// Arguments of steps: how many, which, and of what type.
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/fakes.h"
#include "tests/unit/gateway/graph/plan_fixture.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlanArgumentsTest : public PlanTest {
 protected:
  // An API of one step, on line 8, whose expression starts in column 10.
  PlannedService PlanStep(std::string_view runner, std::string_view expression,
                          std::string_view output = "a") {
    return Plan({runner}, StrCat("apis:\n  ask:\n    input: {x: text}\n    steps:\n      a: ",
                                 expression, "\n    output: {y: ", output, "}"));
  }
};

TEST_F(PlanArgumentsTest, ArgumentsGoByPositionAndByName) {
  const PlannedService service = PlanStep("tokens", "tokens(limit=3, text=x)", "a.ids");
  ASSERT_EQ(Errors(), "");
  const PlannedStep& step = service.apis[0].steps[0];
  ASSERT_EQ(step.arguments.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<ValueSource>(step.arguments[0]));
  EXPECT_THAT(NumbersOf(std::get<Value>(step.arguments[1])), ElementsAre(3));
}

TEST_F(PlanArgumentsTest, MissingArgumentIsNamedWithTheSignature) {
  PlanStep("tokens", "tokens(x)", "a.ids");
  EXPECT_EQ(Errors(),
            "s.yaml:8:10: missing argument 'limit' of tokens(text: text, limit: int64[])");
}

TEST_F(PlanArgumentsTest, SurplusArgumentIsAnErrorAtItsPlace) {
  PlanStep("tokens", "tokens(x, 3, 4)", "a.mask");
  EXPECT_EQ(Errors(),
            "s.yaml:8:23: surplus argument '4'; tokens(text: text, limit: int64[]) takes 2");
}

TEST_F(PlanArgumentsTest, ArgumentGivenTwiceIsAnErrorAtTheSecond) {
  PlanStep("tokens", "tokens(x, 3, text=x)", "a.mask");
  EXPECT_EQ(Errors(),
            "s.yaml:8:23: input 'text' of tokens is given twice, by position and by name; remove "
            "one of them");
}

TEST_F(PlanArgumentsTest, KeywordGivenTwiceIsReportedOnce) {
  PlanStep("tokens", "tokens(x, limit=3, limit=4)", "a.mask");
  EXPECT_EQ(diagnostics.size(), 1u) << Errors();
}

TEST_F(PlanArgumentsTest, UnknownKeywordComesWithTheNearest) {
  PlanStep("tokens", "tokens(x, limt=3)", "a.mask");
  EXPECT_THAT(Errors(),
              HasSubstr("s.yaml:8:20: tokens has no input 'limt'; did you mean 'limit'?"));
}

TEST_F(PlanArgumentsTest, TypeMismatchShowsBothTypes) {
  PlanStep("model", "model(x)");
  EXPECT_EQ(Errors(),
            "s.yaml:8:16: 'x' is text, but model takes fp32[64] as 'features'; give it another "
            "value, or a step between them that converts it");
}

TEST_F(PlanArgumentsTest, ShapeMismatchShowsBothTypes) {
  Plan({"model"}, R"yaml(apis:
  ask: {input: {x: "fp32[8,8]"}, steps: {a: model(x)}, output: {y: a}}
)yaml");
  EXPECT_THAT(Errors(), HasSubstr("'x' is fp32[8,8], but model takes fp32[64] as 'features'"));
}

TEST_F(PlanArgumentsTest, AnySizeFitsUntilItIsKnown) {
  Plan({"model"}, R"yaml(apis:
  ask: {input: {x: "fp32[-1]"}, steps: {a: model(x)}, output: {y: a}}
)yaml");
  EXPECT_EQ(Errors(), "");
}

TEST_F(PlanArgumentsTest, LiteralThatDoesNotFitIsAnErrorAtItsPlace) {
  PlanStep("tokens", "tokens(x, [1, 2])", "a.ids");
  EXPECT_EQ(Errors(),
            "s.yaml:8:20: input 'limit' of tokens: the literal [1, 2] has the shape [2], and "
            "int64[] is expected");
}

TEST_F(PlanArgumentsTest, StepWithSeveralOutputsNeedsOneNamed) {
  PlanStep("tokens", "tokens(x, 3)");
  EXPECT_EQ(Errors(), "s.yaml:9:17: step 'a' has 2 outputs; write a.ids or a.mask");
}

TEST_F(PlanArgumentsTest, FunctionsErrorStandsAtTheCall) {
  Plan({"model"}, R"yaml(apis:
  ask:
    input: {x: "fp32[64]", z: text}
    steps:
      a: model(x)
      b: compare(a, z)
    output: {y: b}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:9:10: compare: compare(a, b) takes the scores of two models: tensors of one "
            "dimension and equal length, fp32 or fp64; it is given (model: fp32[10], z: text)");
}

// Remembers the names that its arguments carry.
std::vector<std::string>* origins = nullptr;
absl::StatusOr<std::unique_ptr<StepFunction>> RememberOrigins(
    std::span<const FunctionArgument> arguments) {
  for (const FunctionArgument& argument : arguments) origins->push_back(argument.origin);
  return std::make_unique<FakeFunction>(kNumber,
                                        [](std::span<const Value> inputs) { return inputs[0]; });
}

TEST_F(PlanArgumentsTest, ValuesCarryTheNameOfWhatMadeThem) {
  std::vector<std::string> remembered;
  origins = &remembered;
  const config::ServiceConfig service = config::ParseService(R"yaml(service: demo
runners: {model: {backend: t}, other: {backend: t}, tokens: {backend: t}}
apis:
  ask:
    input: {x: "fp32[64]", words: text}
    steps:
      a: model(x)
      b: model(x)
      c: other(x)
      t: tokens(words, 1)
      f: names(a, b, c, x, t.ids, t.mask)
      g: names(a, f, t.ids)
    output: {g: g}
)yaml",
                                                             "s.yaml", diagnostics);
  extensions.functions = {{"names", RememberOrigins}};
  PlanService(service, signatures, extensions, diagnostics);
  ASSERT_EQ(Errors(), "");
  // One runner made a and b; one step made both of the tokens' outputs.
  EXPECT_THAT(remembered, ElementsAre("a", "b", "other", "x", "t.ids", "t.mask",  //
                                      "model", "f", "tokens"));
  origins = nullptr;
}

}  // namespace
}  // namespace tiffin::gateway
