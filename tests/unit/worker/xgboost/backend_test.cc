#include "worker/xgboost/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/worker/backend_config.h"
#include "tests/unit/worker/memory_outputs.h"
#include "tests/unit/worker/read_only_inputs.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kModels[] = TIFFIN_FIXTURES "/xgboost";
constexpr int64_t kFeatures = 64;

absl::StatusOr<std::unique_ptr<Backend>> Load(const std::string& file, Signature declared = {}) {
  return CreateXgboostBackend(ModelConfig(kModels, file, std::move(declared)));
}

std::unique_ptr<Backend> Make(const std::string& file, Signature declared = {}) {
  absl::StatusOr<std::unique_ptr<Backend>> backend = Load(file, std::move(declared));
  if (!backend.ok()) ADD_FAILURE() << backend.status();
  return backend.ok() ? *std::move(backend) : nullptr;
}

// What Python predicted, and from what.
json Expected() { return json::parse(std::ifstream(std::string(kModels) + "/expected.json")); }

std::vector<float> Flatten(const json& rows) {
  std::vector<float> values;
  for (const json& row : rows) {
    for (const json& value : row) {
      values.push_back(value.is_null() ? std::numeric_limits<float>::quiet_NaN()
                                       : value.get<float>());
    }
  }
  return values;
}

Signature Declared(Shape input, Shape output) {
  MethodSignature run;
  run.inputs = {{"pixels", TensorType(DataType::kFp32, std::move(input))}};
  run.outputs = {{"digits", TensorType(DataType::kFp32, std::move(output))}};
  run.batchable = true;
  return {{"run", run}};
}

class PredictionTest : public ::testing::TestWithParam<std::string> {};

TEST_P(PredictionTest, EqualsPython) {
  const json expected = Expected();
  const std::string model = GetParam().substr(0, GetParam().find('.'));
  const std::vector<float> wanted = Flatten(expected[model]);
  const auto rows = static_cast<int64_t>(expected["inputs"].size());
  const int64_t scores = static_cast<int64_t>(wanted.size()) / rows;
  const auto backend = Make(GetParam());
  ASSERT_NE(backend, nullptr);
  ReadOnlyInputs inputs;
  inputs.Add(DataType::kFp32, {rows, kFeatures}, Flatten(expected["inputs"]));
  MemoryOutputs outputs;

  ASSERT_TRUE(inputs.Run(*backend, outputs, rows).ok());

  EXPECT_EQ(outputs.at(0).shape, Shape({rows, scores}));
  const std::vector<float> values = outputs.Values<float>(0);
  ASSERT_EQ(values.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(values[i], wanted[i], 1e-5);
  const MethodSignature& run = backend->signature().at("run");
  EXPECT_TRUE(run.batchable);
  EXPECT_EQ(run.inputs[0], (TensorSpec{"features", TensorType(DataType::kFp32, {kFeatures})}));
  EXPECT_EQ(run.outputs[0], (TensorSpec{"scores", TensorType(DataType::kFp32, {scores})}));
}

INSTANTIATE_TEST_SUITE_P(Models, PredictionTest,
                         ::testing::Values("softprob.json", "softprob.ubj", "softmax.json",
                                           "softmax.ubj", "binary.json", "binary.ubj",
                                           "regression.json", "regression.ubj"),
                         [](const auto& name) {
                           std::string text = name.param;
                           text[text.find('.')] = '_';
                           return text;
                         });

TEST(XgboostBackendTest, RunsAgainAndAgainWithOtherRows) {
  const json expected = Expected();
  const std::vector<float> all = Flatten(expected["inputs"]);
  const std::vector<float> wanted = Flatten(expected["softprob"]);
  const auto backend = Make("softprob.ubj");
  for (int64_t rows : {1, 4, 2, 3}) {
    ReadOnlyInputs inputs;
    inputs.Add(DataType::kFp32, {rows, kFeatures},
               std::vector<float>(all.begin(), all.begin() + rows * kFeatures));
    MemoryOutputs outputs;
    ASSERT_TRUE(inputs.Run(*backend, outputs, rows).ok());
    const std::vector<float> values = outputs.Values<float>(0);
    ASSERT_EQ(values.size(), static_cast<size_t>(rows) * 10);
    for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], wanted[i], 1e-5);
  }
}

TEST(XgboostBackendTest, DeclaredNamesAreUsed) {
  const auto backend = Make("softprob.json", Declared({64}, {10}));

  EXPECT_EQ(backend->signature().at("run").inputs[0].name, "pixels");
  EXPECT_EQ(backend->signature().at("run").outputs[0].name, "digits");
}

TEST(XgboostBackendTest, DeclaredSignatureMustAgreeWithTheModel) {
  EXPECT_THAT(Load("softprob.json", Declared({63}, {10})).status().ToString(),
              AllOf(HasSubstr("the declared inputs are (pixels: fp32[63])"),
                    HasSubstr("softprob.json' has one, fp32[64]")));
  EXPECT_THAT(Load("softprob.json", Declared({64}, {1})).status().ToString(),
              HasSubstr("has one, fp32[10]"));
  EXPECT_THAT(Load("softprob.json", {{"classify", {}}}).status().ToString(),
              HasSubstr("'classify' is declared"));
}

TEST(XgboostBackendTest, OutputsThatDoNotFitFailTheExecution) {
  const auto backend = Make("softprob.json");
  ReadOnlyInputs inputs;
  inputs.Add(DataType::kFp32, {1, kFeatures}, std::vector<float>(64, 0));
  MemoryOutputs outputs(/*limit=*/39);

  EXPECT_EQ(inputs.Run(*backend, outputs).code(), absl::StatusCode::kResourceExhausted);
}

TEST(XgboostBackendTest, BrokenFilesAreNamedWithTheFix) {
  for (const char* file :
       {"truncated.json", "truncated.ubj", "empty.json", "other.json", "missing.json"}) {
    const absl::Status status = Load(file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(status.ToString(), AllOf(HasSubstr(file), HasSubstr("tiffin models import")));
  }
}

TEST(XgboostBackendTest, ThereMustBeOneModelFile) {
  EXPECT_THAT(Load("expected.txt").status().ToString(), HasSubstr("has 0"));
  BackendConfig config = ModelConfig(kModels, "softprob.json");
  config.files.push_back("softprob.ubj");
  EXPECT_THAT(CreateXgboostBackend(config).status().ToString(), HasSubstr("has 2"));
}

TEST(XgboostBackendTest, OptionsAreUnknown) {
  BackendConfig config = ModelConfig(kModels, "softprob.json");
  config.options = {{"depth", 3}};
  EXPECT_THAT(CreateXgboostBackend(config).status().ToString(),
              HasSubstr("unknown option 'depth'"));
}

}  // namespace
}  // namespace tiffin::worker
