#include "gateway/graph/drawing.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/plan_fixture.h"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;

TEST_F(PlanTest, DrawingHasAnArrowForEachValue) {
  const PlannedService service = Plan({"image", "model", "other"}, R"yaml(apis:
  predict:
    input: {photo: image}
    steps:
      features: image(photo)
      a: model(features)
      b: other(features)
      verdict: compare(a, b)
    output: {verdict: verdict, first: a}
)yaml");
  ASSERT_EQ(Errors(), "");
  const std::string dot = DrawInDot(service.apis.at(0));

  EXPECT_THAT(dot, testing::StartsWith("digraph \"demo.predict\" {\n"));
  const std::string arrows = dot.substr(dot.find("  \"input photo\" ->"));
  EXPECT_EQ(arrows, R"dot(  "input photo" -> "step features" [label="image"];
  "step features" -> "step a" [label="fp32[64]"];
  "step features" -> "step b" [label="fp32[64]"];
  "step a" -> "step verdict" [label="fp32[10]"];
  "step b" -> "step verdict" [label="fp32[10]"];
  "step verdict" -> "output verdict" [label="text"];
  "step a" -> "output first" [label="fp32[10]"];
}
)dot");
  EXPECT_THAT(dot, HasSubstr(R"("input photo" [label="photo", shape=oval];)"));
  EXPECT_THAT(dot, HasSubstr(R"("step a" [label="a\nmodel", shape=box];)"));
  EXPECT_THAT(dot,
              HasSubstr(R"("step verdict" [label="verdict\ncompare", shape=box, style=dashed];)"));
}

TEST_F(PlanTest, DrawingNamesOneOfManyOutputs) {
  signatures["tokens"]["run"].outputs[0].name = "odd \"name\"\\";
  const PlannedService service = Plan({"tokens"}, R"yaml(apis:
  count:
    input: {text: text}
    steps:
      found: tokens(text, 5)
    output: {mask: found.mask}
)yaml");
  ASSERT_EQ(Errors(), "");
  EXPECT_THAT(DrawInDot(service.apis.at(0)),
              HasSubstr(R"("step found" -> "output mask" [label="mask: int64[-1]"];)"));
}

}  // namespace
}  // namespace tiffin::gateway
