#include "gateway/graph/describe.h"

#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/plan_fixture.h"

namespace tiffin::gateway {
namespace {

TEST_F(PlanTest, DescriptionShowsWavesAndTypes) {
  const PlannedService service = Plan({"image", "model", "other"}, R"yaml(apis:
  predict:
    input: {photo: image}
    steps:
      features: image(photo)
      a: model(features)
      b: {run: other(features), timeout: 50ms, retries: 0}
      verdict: compare(a, b)
    output: {verdict: verdict}
    timeout: 10s
)yaml");
  ASSERT_EQ(Errors(), "");
  EXPECT_EQ(DescribePlan(service), R"yaml(service demo
  api predict(photo: image) -> (verdict: text), timeout 10s
    1. features = image(photo) -> features: fp32[64]
    2. in parallel:
         a = model(features) -> scores: fp32[10]
         b = other(features) -> scores: fp32[10]  (timeout 50ms, retries 0)
    3. verdict = compare(a, b) -> text  (in the gateway)
)yaml");
}

TEST_F(PlanTest, DescriptionTellsHowRowsRun) {
  const PlannedService service = Plan({"image", "model"}, R"yaml(apis:
  predict:
    input: {photo: "image[rows]"}
    steps:
      features: image(photo)
      a: model(features)
    output: {scores: a}
)yaml");
  ASSERT_EQ(Errors(), "");
  EXPECT_EQ(DescribePlan(service), R"yaml(service demo
  api predict(photo: image per row) -> (scores: fp32[10] per row), timeout 1m
    1. features = image(photo) -> features: fp32[64]  (row by row)
    2. a = model(features) -> scores: fp32[10]  (all rows at once)
)yaml");
}

}  // namespace
}  // namespace tiffin::gateway
