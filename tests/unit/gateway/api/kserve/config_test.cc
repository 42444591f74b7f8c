#include "gateway/api/kserve/config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::kserve {
namespace {

using ::testing::ElementsAre;
using testing::FakeServing;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::Spec;
using ::testing::UnorderedElementsAre;

class ConfigTest : public ::testing::Test {
 protected:
  inference::ModelConfig Config(const std::string& name) {
    const ModelTable models = *ModelTable::Create(serving_.services(), serving_.runners());
    return ConfigOf(**models.Find(name, ""), models);
  }

  FakeServing serving_;
};

TEST_F(ConfigTest, ABatchingRunnerLeavesRowsToItsMaxBatchSize) {
  RunnerEntry& runner = serving_.AddRunner("demo", "model", {Spec("x", "fp32[64]")},
                                           {Spec("label", "text"), Spec("score", "int64[]")});
  runner.signature.batchable = true;
  runner.signature.max_batch_size = 32;
  runner.backend = "xgboost";
  const inference::ModelConfig config = Config("demo.model");
  EXPECT_EQ(config.name(), "demo.model");
  EXPECT_EQ(config.platform(), "xgboost");
  EXPECT_EQ(config.backend(), "xgboost");
  EXPECT_EQ(config.max_batch_size(), 32);
  EXPECT_TRUE(config.has_dynamic_batching());
  ASSERT_EQ(config.input_size(), 1);
  EXPECT_EQ(config.input(0).name(), "x");
  EXPECT_EQ(config.input(0).data_type(), inference::TYPE_FP32);
  EXPECT_THAT(config.input(0).dims(), ElementsAre(64));
  ASSERT_EQ(config.output_size(), 2);
  EXPECT_EQ(config.output(0).data_type(), inference::TYPE_STRING);
  EXPECT_THAT(config.output(0).dims(), IsEmpty());
  EXPECT_EQ(config.output(1).data_type(), inference::TYPE_INT64);
  EXPECT_THAT(config.output(1).dims(), IsEmpty());
}

TEST_F(ConfigTest, WithoutRowsShapesAreWhole) {
  serving_.AddRunner("demo", "single", {Spec("x", "fp16[-1,3]"), Spec("t", "text")}, {});
  const inference::ModelConfig config = Config("demo.single");
  EXPECT_EQ(config.max_batch_size(), 0);
  EXPECT_FALSE(config.has_dynamic_batching());
  EXPECT_THAT(config.input(0).dims(), ElementsAre(-1, 3));
  EXPECT_THAT(config.input(1).dims(), ElementsAre(1));
}

TEST_F(ConfigTest, RowsWithoutALimitAreAnyNumber) {
  serving_.AddRunner("demo", "off", {Spec("x", "int8[2]")}, {}).signature.batchable = true;
  serving_.AddApi("demo", "rows", {Spec("x", "int8[2]")}, {}).has_rows = true;
  for (const char* name : {"demo.off", "demo.rows"}) {
    const inference::ModelConfig config = Config(name);
    EXPECT_EQ(config.max_batch_size(), 2'147'483'647) << name;
    EXPECT_FALSE(config.has_dynamic_batching()) << name;
    EXPECT_THAT(config.input(0).dims(), ElementsAre(2)) << name;
  }
}

TEST_F(ConfigTest, AnApiIsAnEnsembleOfItsRunners) {
  MethodSignature embed;
  embed.inputs = {Spec("x", "fp32[4]"), Spec("k", "int64[]")};
  RunnerEntry& runner = serving_.AddRunner("demo", "model", embed.inputs, {Spec("y", "fp32[2]")});
  runner.method = "embed";
  runner.version = 7;
  PlannedApi& api = serving_.AddApi("demo", "predict", {Spec("image", "fp32[4]")},
                                    {Spec("vector", "fp32[2]"), Spec("best", "int64[]")});
  PlannedStep call;
  call.name = "features";
  call.action = PlannedCall{.runner = "model", .method = "embed", .signature = embed, .retries = 0};
  call.arguments.emplace_back(ValueSource{});
  call.arguments.emplace_back(HeapValue(DataType::kInt64, {1}, std::string(8, '\0')));
  call.outputs = {Spec("y", "fp32[2]"), Spec("z", "fp32[2]")};
  PlannedStep function;
  function.name = "top";
  function.action = std::unique_ptr<StepFunction>();
  function.outputs = {Spec("top", "int64[]")};
  api.steps.push_back(std::move(call));
  api.steps.push_back(std::move(function));
  api.outputs[0].source = {.from = ValueSource::From::kStep, .index = 0, .output = 0};
  api.outputs[1].source = {.from = ValueSource::From::kStep, .index = 1, .output = 0};

  const inference::ModelConfig config = Config("demo.predict");

  EXPECT_EQ(config.platform(), "ensemble");
  EXPECT_EQ(config.backend(), "");
  EXPECT_EQ(config.max_batch_size(), 0);
  ASSERT_EQ(config.ensemble_scheduling().step_size(), 1) << "a function is no model";
  const auto& step = config.ensemble_scheduling().step(0);
  EXPECT_EQ(step.model_name(), "demo.model.embed");
  EXPECT_EQ(step.model_version(), 7);
  EXPECT_THAT(step.input_map(), ElementsAre(Pair("x", "image"))) << "a literal is no tensor";
  EXPECT_THAT(step.output_map(),
              UnorderedElementsAre(Pair("y", "vector"), Pair("z", "features.z")));
}

}  // namespace
}  // namespace tiffin::gateway::kserve
