#include "gateway/graph/plan.h"

#include <string>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/plan_fixture.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(PlanTest, StepsAreOrderedAndTypesInferred) {
  const PlannedService service = Plan({"image", "model", "other"}, R"yaml(apis:
  predict:
    input: {photo: image}
    steps:
      verdict: compare(a, b)
      a: model(features)
      b: {run: "other(features=features)", timeout: 50ms, retries: 3}
      features: image(photo)
    output: {verdict: verdict, scores: a.scores}
    timeout: 10s
)yaml");
  ASSERT_EQ(Errors(), "");
  ASSERT_EQ(service.apis.size(), 1u);
  const PlannedApi& api = service.apis[0];
  EXPECT_EQ(api.service, "demo");
  EXPECT_EQ(api.name, "predict");
  EXPECT_EQ(api.timeout, absl::Seconds(10));
  EXPECT_FALSE(api.has_rows);
  ASSERT_EQ(api.steps.size(), 4u);

  const PlannedStep& features = api.steps[0];
  EXPECT_EQ(features.name, "features");
  EXPECT_THAT(features.needs, IsEmpty());
  EXPECT_THAT(features.feeds, ElementsAre(1, 2));
  EXPECT_EQ(features.call()->runner, "image");
  EXPECT_EQ(features.call()->method, "run");
  EXPECT_EQ(features.call()->retries, 1);

  const PlannedStep& b = api.steps[2];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.expression, "other(features=features)");
  EXPECT_THAT(b.needs, ElementsAre(0));
  EXPECT_THAT(b.feeds, ElementsAre(3));
  EXPECT_EQ(b.timeout, absl::Milliseconds(50));
  EXPECT_EQ(b.call()->retries, 3);

  const PlannedStep& verdict = api.steps[3];
  ASSERT_NE(verdict.function(), nullptr);
  EXPECT_EQ(ToString(verdict.outputs[0].type), "text");
  EXPECT_THAT(verdict.needs, ElementsAre(1, 2));
  EXPECT_EQ(std::get<ValueSource>(verdict.arguments[1]).index, 2u);

  ASSERT_EQ(api.outputs.size(), 2u);
  EXPECT_EQ(api.outputs[0].spec.name, "verdict");
  EXPECT_EQ(api.outputs[0].source.index, 3u);
  EXPECT_EQ(ToString(api.outputs[1].spec.type), "fp32[10]");
  EXPECT_EQ(api.outputs[1].source.index, 1u);
}

TEST_F(PlanTest, ExtentOfRowsIsTheApis) {
  const PlannedService service = Plan({"model"}, R"yaml(apis:
  predict:
    input: {features: "fp32[rows,64]"}
    steps: {a: model(features)}
    output: {scores: a}
)yaml");
  ASSERT_EQ(Errors(), "");
  EXPECT_TRUE(service.apis[0].has_rows);
  EXPECT_EQ(ToString(service.apis[0].inputs[0].type), "fp32[64]");
}

TEST_F(PlanTest, ApiMayReturnItsInput) {
  const PlannedService service = Plan({"once"}, R"yaml(apis:
  ask: {input: {x: text}, steps: {a: once(x)}, output: {y: a, z: x}}
)yaml");
  ASSERT_EQ(Errors(), "");
  EXPECT_EQ(service.apis[0].outputs[1].source.from, ValueSource::From::kInput);
}

TEST_F(PlanTest, MethodWithoutASafeRetryIsNotRetriedByDefault) {
  const PlannedService service = Plan({"once"}, R"yaml(apis:
  ask: {input: {x: text}, steps: {a: once(x)}, output: {y: a}}
)yaml");
  ASSERT_EQ(Errors(), "");
  EXPECT_EQ(service.apis[0].steps[0].call()->retries, 0);
}

TEST_F(PlanTest, RetriesOfWhatMayNotBeRetriedAreAnError) {
  Plan({"once"}, R"yaml(apis:
  ask:
    input: {x: text}
    steps:
      a: {run: once(x), retries: 2}
    output: {y: a}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:8:34: step 'a': once may not be run twice for one request (it is not "
            "retry_safe); remove `retries`, or declare the method retry_safe");
}

TEST_F(PlanTest, FunctionsTakeNeitherRetriesNorATimeout) {
  Plan({"model", "other"}, R"yaml(apis:
  ask:
    input: {x: "fp32[64]"}
    steps:
      a: model(x)
      b: other(x)
      c: {run: "compare(a, b)", retries: 1, timeout: 1s}
    output: {y: c}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:11:7: step 'c': the function 'compare' runs inside the gateway, without "
            "waiting; remove `timeout`\n"
            "s.yaml:11:42: step 'c': the function 'compare' runs inside the gateway and is never "
            "retried; remove `retries`");
}

TEST_F(PlanTest, UnknownNamesComeWithTheNearestOnes) {
  Plan({"model", "tokens"}, R"yaml(apis:
  ask:
    input: {features: "fp32[64]", words: text}
    steps:
      a: modl(features)
      b: model(featurs)
      c: tokens.cout(words)
      d: tokens(words, 3)
      e: model(model)
    output: {a: a, b: b.score, c: c, d: d.idz, e: e, f: zzzzzz}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:9:10: unknown runner or function 'modl'; did you mean 'model'?\n"
            "s.yaml:10:16: unknown value 'featurs'; did you mean 'features'?\n"
            "s.yaml:11:10: runner 'tokens' has no method 'cout'; did you mean 'count'?\n"
            "s.yaml:13:16: unknown value 'model'; it is no step: give it one (`x: model(...)`) and "
            "write the step's name\n"
            "s.yaml:14:23: step 'b' has no output 'score'; did you mean 'scores'?\n"
            "s.yaml:14:41: step 'd' has no output 'idz'; did you mean 'ids'?\n"
            "s.yaml:14:57: unknown value 'zzzzzz'; values: features, words, a, b, c, d, e");
}

TEST_F(PlanTest, RunnerWithoutTheDefaultMethodNeedsOneNamed) {
  signatures["tokens"].erase("run");
  Plan({"tokens"}, R"yaml(apis:
  ask: {input: {x: text}, steps: {a: tokens(x)}, output: {y: a}}
)yaml");
  EXPECT_EQ(Errors(), "s.yaml:5:38: runner 'tokens' has no method 'run'; write tokens.count(...)");
}

TEST_F(PlanTest, FunctionsHaveNoMethodsAndOneValue) {
  Plan({"model", "other"}, R"yaml(apis:
  ask:
    input: {x: "fp32[64]"}
    steps:
      a: model(x.y)
      b: other(x)
      c: compare.run(a, b)
    output: {y: c.text}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:9:16: 'x' is an input, which is one value; write x\n"
            "s.yaml:11:10: 'compare' is a function and has no methods; write compare(...)\n"
            "s.yaml:12:17: step 'c' is a function's, which has one value; write c");
}

TEST_F(PlanTest, CyclesAreNamedStepByStep) {
  AddRunner("echo",
            {.inputs = {{"x", SingleType(ValueKind::kText)}, {"y", SingleType(ValueKind::kText)}},
             .outputs = {{"z", SingleType(ValueKind::kText)}}});
  Plan({"echo"}, R"yaml(apis:
  ask:
    input: {x: text}
    steps:
      a: echo(x, c)
      b: echo(x, a)
      c: echo(x, b)
      d: echo(x, d)
      e: echo(x, c)
    output: {y: e}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:8:7: the steps go round in a cycle: a -> b -> c -> a; one of them must not "
            "need the one before it\n"
            "s.yaml:11:7: step 'd' takes its own value; name another");
}

TEST_F(PlanTest, WhatNobodyUsesIsAnError) {
  Plan({"model", "other"}, R"yaml(apis:
  ask:
    input: {x: "fp32[64]", more: text}
    steps:
      a: model(x)
      b: model(x)
    output: {y: a}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:7:28: input 'more' is unused; remove it, or give it to a step\n"
            "s.yaml:10:7: step 'b' is unused; remove it, or return it under `output`");
}

TEST_F(PlanTest, StepThatCouldNotBeReadMakesNothingElseLookUnused) {
  Plan({"model"}, R"yaml(apis:
  ask:
    input: {x: "fp32[64]"}
    steps:
      a: model(x
    output: {y: a}
)yaml");
  EXPECT_EQ(diagnostics.size(), 1u) << Errors();
}

TEST_F(PlanTest, RunnerThatIsNotAttachedIsNotJudged) {
  signatures.erase("other");
  Plan({"model", "other"}, R"yaml(apis:
  ask:
    input: {x: "fp32[64]"}
    steps:
      a: model(x)
      b: other.anything(x, 3, k=4)
      c: compare(a, b)
      d: model(b.whatever)
    output: {y: c, z: d}
)yaml");
  EXPECT_EQ(Errors(), "");
}

TEST_F(PlanTest, RowsAreDeclaredByAllInputsOrNone) {
  AddRunner("two", {.inputs = {{"a", TensorType(DataType::kFp32, {2})},
                               {"b", TensorType(DataType::kFp32, {2})}},
                    .outputs = {{"c", TensorType(DataType::kFp32, {2})}}});
  Plan({"two"}, R"yaml(apis:
  ask:
    input: {x: "fp32[2]", y: "fp32[rows,2]"}
    steps: {a: "two(x, y)"}
    output: {z: a}
)yaml");
  EXPECT_EQ(Errors(),
            "s.yaml:6:13: input 'x' is declared without rows, but 'y' with them; declare `rows` as "
            "the first dimension of all inputs, or of none");
}

TEST_F(PlanTest, RunnerWithTheNameOfAFunctionIsAClash) {
  AddRunner("select", signatures["model"]["run"]);
  Plan({"select"}, R"yaml(apis:
  ask: {input: {x: "fp32[64]"}, steps: {a: select(x)}, output: {y: a}}
)yaml");
  EXPECT_EQ(Errors(), "s.yaml:3:3: runner 'select' has the name of a function; rename it");
}

TEST_F(PlanTest, OtherClashesAreReportedOnce) {
  Plan({"model"}, R"yaml(apis:
  model:
    input: {x: "fp32[64]"}
    steps:
      a: model(x)
    output: {y: a}
)yaml");
  EXPECT_EQ(diagnostics.size(), 1u) << Errors();
  EXPECT_THAT(Errors(), testing::StartsWith("s.yaml:5:3: api 'model' has the name of the runner"));
}

TEST_F(PlanTest, AllApisAreCheckedInOneRun) {
  Plan({"model"}, R"yaml(apis:
  one: {input: {x: "fp32[63]"}, steps: {a: model(x)}, output: {y: a}}
  two: {input: {x: "fp32[62]"}, steps: {a: model(x)}, output: {y: a}}
)yaml");
  EXPECT_EQ(diagnostics.size(), 2u) << Errors();
}

}  // namespace
}  // namespace tiffin::gateway
