#include "worker/torch/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/worker/backend_config.h"
#include "tests/unit/worker/memory_outputs.h"
#include "tests/unit/worker/read_only_inputs.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kModels[] = TIFFIN_FIXTURES "/torch";

// A batchable `run` with these inputs.
Signature Inputs(std::vector<TensorSpec> inputs) {
  MethodSignature run;
  run.inputs = std::move(inputs);
  run.batchable = true;
  return {{"run", run}};
}

Signature FloatInput(Shape shape, std::string name = "") {
  return Inputs({{std::move(name), TensorType(DataType::kFp32, std::move(shape))}});
}

absl::StatusOr<std::unique_ptr<Backend>> Load(const std::string& file, Signature declared) {
  return CreateTorchBackend(ModelConfig(kModels, file, std::move(declared)));
}

std::unique_ptr<Backend> Make(const std::string& file, Signature declared) {
  absl::StatusOr<std::unique_ptr<Backend>> backend = Load(file, std::move(declared));
  if (!backend.ok()) ADD_FAILURE() << file << ": " << backend.status();
  return backend.ok() ? *std::move(backend) : nullptr;
}

std::vector<float> Flatten(const json& rows) {
  std::vector<float> values;
  for (const json& row : rows) {
    for (const json& value : row) values.push_back(value.get<float>());
  }
  return values;
}

class ScoresTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ScoresTest, EqualPython) {
  const json expected = json::parse(std::ifstream(std::string(kModels) + "/expected.json"));
  const std::vector<float> all = Flatten(expected["inputs"]);
  // A model saved while training gives the scores of one that is not: the same weights.
  const std::vector<float> wanted =
      Flatten(expected[GetParam() == "training" ? "scripted" : GetParam()]);
  const auto backend = Make(GetParam() + ".pt", FloatInput({64}));
  ASSERT_NE(backend, nullptr);
  for (const int64_t rows : {5, 1, 3, 5}) {
    ReadOnlyInputs inputs;
    inputs.Add(DataType::kFp32, {rows, 64},
               std::vector<float>(all.begin(), all.begin() + rows * 64));
    MemoryOutputs outputs;

    const absl::Status status = inputs.Run(*backend, outputs, rows);

    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(outputs.at(0).shape, Shape({rows, 10}));
    const std::vector<float> values = outputs.Values<float>(0);
    for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], wanted[i], 1e-5);
  }
  const MethodSignature& run = backend->signature().at("run");
  EXPECT_EQ(run.inputs[0], (TensorSpec{"features", TensorType(DataType::kFp32, {64})}));
  EXPECT_EQ(run.outputs[0], (TensorSpec{"scores", TensorType(DataType::kFp32, {10})}));
}

INSTANTIATE_TEST_SUITE_P(Models, ScoresTest, ::testing::Values("scripted", "traced", "training"),
                         [](const auto& name) { return name.param; });

class ReadOnlyInputTest : public ::testing::TestWithParam<std::string> {};

// The memory of the inputs cannot be written: a model that did so would end the test.
TEST_P(ReadOnlyInputTest, IsNotWrittenTo) {
  const auto backend = Make(GetParam() + ".pt", FloatInput({4}));
  ASSERT_NE(backend, nullptr);
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  for (int run = 0; run < 3; ++run) {
    MemoryOutputs outputs;

    ASSERT_TRUE(inputs.Run(*backend, outputs, 2).ok());

    if (GetParam() == "WritesView") {
      EXPECT_THAT(outputs.Values<float>(0), ElementsAre(1, 1, 4, 5, 1, 1, 8, 9));
    } else if (GetParam() == "Reads" || GetParam() == "Counts") {
      EXPECT_THAT(outputs.Values<float>(0), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
    } else {
      EXPECT_THAT(outputs.Values<float>(0), ElementsAre(4, 6, 8, 10, 12, 14, 16, 18));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ReadOnlyInputTest,
                         ::testing::Values("WritesInput", "TracedWrites", "WritesView",
                                           "WritesInList", "WritesInSubmodule", "Reads", "Counts"),
                         [](const auto& name) { return name.param; });

TEST(TorchBackendTest, ATupleHasNumberedOutputs) {
  const auto backend = Make("TwoOutputs.pt", FloatInput({3}));
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {2, 3}, {1, 5, 2, 9, 7, 8});
  MemoryOutputs outputs;

  ASSERT_TRUE(inputs.Run(*backend, outputs, 2).ok());

  const MethodSignature& run = backend->signature().at("run");
  EXPECT_EQ(run.outputs[0], (TensorSpec{"output0", TensorType(DataType::kFp32, {3})}));
  EXPECT_EQ(run.outputs[1], (TensorSpec{"output1", TensorType(DataType::kInt64, {})}));
  EXPECT_THAT(outputs.Values<float>(0), ElementsAre(2, 10, 4, 18, 14, 16));
  EXPECT_THAT(outputs.Values<int64_t>(1), ElementsAre(1, 0));
}

TEST(TorchBackendTest, ADictAndANamedTupleNameTheirOutputs) {
  const auto named = Make("NamedOutputs.pt", FloatInput({3}));
  EXPECT_EQ(named->signature().at("run").outputs[0].name, "top");
  EXPECT_EQ(named->signature().at("run").outputs[1],
            (TensorSpec{"rest", TensorType(DataType::kFp32, {2})}));

  // Declared in another order than the dict's: the names decide.
  Signature declared = FloatInput({2});
  declared["run"].outputs = {{"half", TensorType(DataType::kFp32, {2})},
                             {"double", TensorType(DataType::kFp32, {2})}};
  const auto dict = Make("DictOutputs.pt", declared);
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1, 2}, {2, 4});
  MemoryOutputs outputs;
  ASSERT_TRUE(inputs.Run(*dict, outputs).ok());
  EXPECT_THAT(outputs.Values<float>(0), ElementsAre(1, 2));
  EXPECT_THAT(outputs.Values<float>(1), ElementsAre(4, 8));
}

TEST(TorchBackendTest, InputsAreBoundByNameElseByPosition) {
  const ValueType ids = TensorType(DataType::kInt64, {-1});
  ReadOnlyInputs inputs;
  inputs.Add<int64_t>(DataType::kInt64, {1, 2}, {5, 6});
  inputs.Add<int64_t>(DataType::kInt64, {1, 2}, {1, 1});
  MemoryOutputs by_name;
  MemoryOutputs by_position;

  const auto named = Make("TwoInputs.pt", Inputs({{"mask", ids}, {"ids", ids}}));
  ASSERT_TRUE(inputs.Run(*named, by_name).ok());
  const auto placed = Make("TwoInputs.pt", Inputs({{"tokens", ids}, {"holes", ids}}));
  ASSERT_TRUE(inputs.Run(*placed, by_position).ok());

  EXPECT_THAT(by_name.Values<float>(0), ElementsAre(-12, -15));
  EXPECT_THAT(by_position.Values<float>(0), ElementsAre(12, 15));
  EXPECT_EQ(placed->signature().at("run").outputs[0].type, TensorType(DataType::kFp32, {-1}));
}

TEST(TorchBackendTest, InputsMustFitTheModel) {
  const ValueType ids = TensorType(DataType::kInt64, {4});
  const auto error = [](const std::string& file, Signature declared) {
    return Load(file, std::move(declared)).status().ToString();
  };
  EXPECT_THAT(error("TwoInputs.pt", {}), HasSubstr("declare those of forward(ids, mask, scale)"));
  EXPECT_THAT(error("TwoInputs.pt", Inputs({{"ids", ids}})),
              HasSubstr("no input of the signature is the argument 'mask'"));
  EXPECT_THAT(error("TwoInputs.pt", Inputs({{"a", ids}, {"b", ids}, {"c", ids}})),
              HasSubstr("argument 'scale' of the model's forward is not a tensor"));
  EXPECT_THAT(error("Reads.pt", Inputs({{"a", ids}, {"b", ids}})), HasSubstr("has 2 inputs"));
  EXPECT_THAT(error("Reads.pt", Inputs({{"x", SingleType(ValueKind::kText)}})),
              HasSubstr("input 'x' is text, which Torch does not have"));
  EXPECT_THAT(error("scripted.pt", FloatInput({63})), HasSubstr("declared inputs"));
  EXPECT_THAT(error("SumsRows.pt", FloatInput({4})), HasSubstr("not batchable"));
}

TEST(TorchBackendTest, DeclaredOutputsMustBeTheModels) {
  Signature declared = FloatInput({64});
  declared["run"].outputs = {{"digits", TensorType(DataType::kFp32, {10})}};
  EXPECT_EQ(Make("scripted.pt", declared)->signature(), [&] {
    Signature named = declared;
    named["run"].inputs[0].name = "features";
    return named;
  }());
  declared["run"].outputs[0].type = TensorType(DataType::kFp32, {11});
  EXPECT_THAT(Load("scripted.pt", declared).status().ToString(),
              AllOf(HasSubstr("scripted.pt"), HasSubstr("[1,10] as output 'digits'")));
}

TEST(TorchBackendTest, ModelsWithoutRowsRunAsTheyAre) {
  Signature declared = FloatInput({3, 4});
  declared["run"].batchable = false;
  const auto backend = Make("SumsRows.pt", declared);
  ReadOnlyInputs inputs;
  inputs.Add(DataType::kFp32, {3, 4}, std::vector<float>(12, 2));
  MemoryOutputs outputs;

  ASSERT_TRUE(inputs.Run(*backend, outputs).ok());

  EXPECT_EQ(outputs.at(0).shape, Shape({4}));
  EXPECT_THAT(outputs.Values<float>(0), ElementsAre(6, 6, 6, 6));
}

TEST(TorchBackendTest, WhatTheCallerCanMendIsInvalid) {
  const auto lookup = Make("Lookup.pt", Inputs({{"", TensorType(DataType::kInt64, {1})}}));
  ReadOnlyInputs beyond;
  beyond.Add<int64_t>(DataType::kInt64, {1, 1}, {10});
  const auto raises = Make("Raises.pt", FloatInput({1}));
  const auto fails = Make("FailsInside.pt", FloatInput({1}));
  ReadOnlyInputs large;
  large.Add<float>(DataType::kFp32, {1, 1}, {101});
  MemoryOutputs outputs;

  const absl::Status index = beyond.Run(*lookup, outputs);
  EXPECT_EQ(index.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(index.ToString(), HasSubstr("index out of range"));
  const absl::Status raised = large.Run(*raises, outputs);
  EXPECT_EQ(raised.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(raised.ToString(), HasSubstr("the sum is above 100"));
  const absl::Status failed = large.Run(*fails, outputs);
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(failed.ToString(), HasSubstr("shape '[7, 13]' is invalid"));
}

TEST(TorchBackendTest, OutputsThatDoNotFitFailTheExecution) {
  const auto backend = Make("Reads.pt", FloatInput({4}));
  ReadOnlyInputs inputs;
  inputs.Add<float>(DataType::kFp32, {1, 4}, {1, 2, 3, 4});
  MemoryOutputs outputs(/*limit=*/15);

  EXPECT_EQ(inputs.Run(*backend, outputs).code(), absl::StatusCode::kResourceExhausted);
}

TEST(TorchBackendTest, WhatIsNoTorchScriptIsNamedWithTheFix) {
  for (const char* file :
       {"truncated.pt", "empty.pt", "missing.pt", "weights.pt", "exported.pt", "native.pt"}) {
    const absl::Status status = Load(file, FloatInput({64})).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(status.ToString(), AllOf(HasSubstr(file), HasSubstr("tiffin models import")));
  }
  EXPECT_THAT(Load("native.pt", FloatInput({64})).status().ToString(), HasSubstr("native code"));
  EXPECT_THAT(Load("weights.pt", FloatInput({64})).status().ToString(), HasSubstr("only data"));
  EXPECT_THAT(Load("model.bin", FloatInput({64})).status().ToString(), HasSubstr("has 0"));
}

TEST(TorchBackendTest, OptionsAreUnknown) {
  BackendConfig config = ModelConfig(kModels, "scripted.pt", FloatInput({64}));
  config.options = {{"fast", true}};
  EXPECT_THAT(CreateTorchBackend(config).status().ToString(), HasSubstr("unknown option 'fast'"));
}

TEST(TorchBackendTest, TheDeviceIsTheConfigurations) {
  BackendConfig config = ModelConfig(kModels, "scripted.pt", FloatInput({64}));
  const auto backend = CreateTorchBackend(config);
  ASSERT_TRUE(backend.ok()) << backend.status();
  EXPECT_EQ((*backend)->device(), "cpu");
  // No machine has so many, and this LibTorch may have none.
  config.device = "cuda:99";
  const std::string error = CreateTorchBackend(config).status().ToString();
  EXPECT_THAT(error, HasSubstr("device 'cuda:99' is not there: LibTorch 2."));
  EXPECT_THAT(error, HasSubstr("write device: cpu"));
}

}  // namespace
}  // namespace tiffin::worker
