#include "worker/torch/text_classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/worker/memory_outputs.h"
#include "tests/unit/worker/read_only_inputs.h"
#include "tests/unit/worker/torch/text_model_config.h"
#include "worker/torch/backend.h"

namespace tiffin::worker {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Backend> Make(const BackendConfig& config) {
  absl::StatusOr<std::unique_ptr<Backend>> backend = CreateTorchBackend(config);
  if (!backend.ok()) ADD_FAILURE() << backend.status();
  return backend.ok() ? *std::move(backend) : nullptr;
}

std::string Error(const BackendConfig& config) {
  const absl::Status status = CreateTorchBackend(config).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

struct Answer {
  std::vector<std::string> labels;
  std::vector<float> score;
  std::vector<float> scores;
};

absl::StatusOr<Answer> Classify(Backend& backend, const std::vector<std::string>& texts) {
  const auto rows = static_cast<int64_t>(texts.size());
  ReadOnlyInputs inputs;
  inputs.AddElements({rows}, texts);
  MemoryOutputs outputs;
  if (const absl::Status ran = inputs.Run(backend, outputs, rows); !ran.ok()) return ran;
  Answer answer;
  const auto labels = ParseBytesElements(outputs.at(0).bytes);
  if (!labels.ok()) return labels.status();
  answer.labels.assign(labels->begin(), labels->end());
  EXPECT_EQ(outputs.at(0).shape, Shape({rows}));
  EXPECT_EQ(outputs.at(1).shape, Shape({rows}));
  EXPECT_EQ(outputs.at(2).shape, Shape({rows, 2}));
  answer.score = outputs.Values<float>(1);
  answer.scores = outputs.Values<float>(2);
  return answer;
}

// The probability of the first of two classes.
float First(float first, float second) { return 1 / (1 + std::exp(second - first)); }

class TextModuleTest : public ::testing::TestWithParam<const char*> {};

TEST_P(TextModuleTest, GivesEachTextItsLabelAndScores) {
  const auto backend = Make(TextConfig(std::string(GetParam()) + ".pt"));
  ASSERT_NE(backend, nullptr);
  // Of different lengths: what is filled up is masked.
  const auto answer = Classify(*backend, {"good, Good cafe", "bad", "", "good bad"});

  ASSERT_TRUE(answer.ok()) << answer.status();
  // Of equal scores the first is the label.
  EXPECT_THAT(answer->labels, ElementsAre("POSITIVE", "NEGATIVE", "NEGATIVE", "NEGATIVE"));
  const std::vector<float> firsts = {First(0, 2), First(2, 0), 0.5F, First(2, 1)};
  for (size_t row = 0; row < firsts.size(); ++row) {
    EXPECT_NEAR(answer->scores[2 * row], firsts[row], 1e-6) << row;
    EXPECT_NEAR(answer->scores[2 * row + 1], 1 - firsts[row], 1e-6) << row;
    EXPECT_EQ(answer->score[row], std::max(answer->scores[2 * row], answer->scores[2 * row + 1]));
  }
}

INSTANTIATE_TEST_SUITE_P(Modules, TextModuleTest,
                         ::testing::Values("Classifier", "Traced", "WithTypes", "ThirdByPosition",
                                           "ThirdByDefault", "HalfPrecision"),
                         [](const auto& name) { return name.param; });

TEST(TextClassifierTest, ItsSignatureIsThatOfEveryTextModel) {
  const auto backend = Make(TextConfig("Classifier.pt"));
  ASSERT_EQ(backend->signature().size(), 1U);
  const MethodSignature& run = backend->signature().at("run");
  EXPECT_THAT(run.inputs, ElementsAre(TensorSpec{"text", SingleType(ValueKind::kText)}));
  EXPECT_THAT(run.outputs, ElementsAre(TensorSpec{"label", SingleType(ValueKind::kText)},
                                       TensorSpec{"score", TensorType(DataType::kFp32, {})},
                                       TensorSpec{"scores", TensorType(DataType::kFp32, {2})}));
  EXPECT_TRUE(run.batchable);
  EXPECT_TRUE(run.retry_safe);
  EXPECT_EQ(backend->concurrency(), 1);
}

TEST(TextClassifierTest, TheSignatureMayBeDeclaredIfItIsTheSame) {
  BackendConfig config = TextConfig("Classifier.pt");
  config.declared = Make(config)->signature();
  EXPECT_NE(Make(config), nullptr);
  config.declared["run"].outputs.clear();
  EXPECT_NE(Make(config), nullptr);
  config.declared["run"].outputs = {{"scores", TensorType(DataType::kFp32, {2})}};
  EXPECT_THAT(Error(config), AllOf(HasSubstr("run(text: text) -> (scores: fp32[2]) is not"),
                                   HasSubstr("label: text, score: fp32[], scores: fp32[2]")));
  config.declared = {{"run", {}}};
  EXPECT_THAT(Error(config), HasSubstr("not batchable"));
  config.declared = {{"classify", Make(TextConfig("Classifier.pt"))->signature().at("run")}};
  EXPECT_THAT(Error(config), HasSubstr("declared method classify"));
}

TEST(TextClassifierTest, AnswersAreTheSameWhateverElseIsInTheCall) {
  const auto backend = Make(TextConfig("Classifier.pt"));
  // More rows than the model is given at once.
  std::vector<std::string> texts(3000, "good good, cafe ,,,,,,,,");
  for (size_t row = 0; row < texts.size(); row += 3) texts[row] = "bad";

  const auto answer = Classify(*backend, texts);

  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->labels.size(), texts.size());
  for (size_t row = 0; row < texts.size(); ++row) {
    EXPECT_NEAR(answer->scores[2 * row], row % 3 == 0 ? First(2, 0) : First(0, 2), 1e-6) << row;
  }
}

TEST(TextClassifierTest, NoRowsHaveNoAnswers) {
  const auto backend = Make(TextConfig("Classifier.pt"));
  const auto answer = Classify(*backend, {});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(answer->labels.empty());
}

TEST(TextClassifierTest, OnlyTheBeginningOfALongTextCounts) {
  BackendConfig config = TextConfig("Classifier.pt");
  config.options = {{"max_length", 4}};
  const auto backend = Make(config);
  const auto answer = Classify(*backend, {"good good bad bad bad"});
  EXPECT_NEAR(answer->scores[0], First(0, 2), 1e-6);
}

TEST(TextClassifierTest, AVocabularyWillDo) {
  BackendConfig config = TextConfig("Classifier.pt", "vocab.txt");
  config.options = {{"max_length", 8}, {"lowercase", false}};
  const auto answer = Classify(*Make(config), {"Good", "good"});
  EXPECT_NEAR(answer->scores[0], 0.5, 1e-6);
  EXPECT_NEAR(answer->scores[2], First(0, 1), 1e-6);
}

TEST(TextClassifierTest, ATextThatIsNotUtf8IsTheCallers) {
  const auto backend = Make(TextConfig("Classifier.pt"));
  const absl::Status status = Classify(*backend, {"good", "bad\xFF"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("'text', row 1: byte 3"), HasSubstr("must be UTF-8")));
  EXPECT_TRUE(Classify(*backend, {"good"}).ok());
}

TEST(TextClassifierTest, AFailureOfTheModelIsNotTheCallers) {
  const auto raises = Make(TextConfig("Raises.pt"));
  const absl::Status status = Classify(*raises, {"good bad"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("it is bad"));
  EXPECT_TRUE(Classify(*raises, {"good"}).ok());

  const auto no_number = Make(TextConfig("NoNumber.pt"));
  EXPECT_EQ(Classify(*no_number, {"good"}).status().code(), absl::StatusCode::kInternal);
}

TEST(TextClassifierTest, ACallThatNobodyWaitsForIsNotRun) {
  const auto backend = Make(TextConfig("Classifier.pt"));
  std::string framed;
  AppendBytesElement("good", framed);
  const std::vector<TensorView> inputs = {
      {.dtype = DataType::kBytes, .shape = {1}, .bytes = AsBytes(framed)}};
  MemoryOutputs outputs;
  const absl::Status status = backend->Run(
      {.method = "run", .inputs = inputs, .rows = 1, .abandoned = [] { return true; }}, outputs);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST(TextClassifierTest, WantOfRoomForTheOutputsIsHandedOn) {
  const auto backend = Make(TextConfig("Classifier.pt"));
  ReadOnlyInputs inputs;
  inputs.AddElements({1}, {"good"});
  MemoryOutputs outputs(16);
  EXPECT_EQ(inputs.Run(*backend, outputs).code(), absl::StatusCode::kResourceExhausted);
}

TEST(TextClassifierTest, LabelsMustBeAsManyAsTheClasses) {
  BackendConfig config = TextConfig("Classifier.pt");
  config.labels = {};
  EXPECT_THAT(Error(config), AllOf(HasSubstr("2 classes"), HasSubstr("no label"),
                                   HasSubstr("--labels"), HasSubstr("Classifier.pt'")));
  config.labels = {"A", "B", "C"};
  EXPECT_THAT(Error(config), AllOf(HasSubstr("2 classes"), HasSubstr("3 are named")));
}

TEST(TextClassifierTest, ALengthBeyondTheModelsIsFoundAtOnce) {
  BackendConfig config = TextConfig("Classifier.pt");
  config.options = {{"max_length", 9}};
  EXPECT_THAT(Error(config), AllOf(HasSubstr("texts of 9 tokens"), HasSubstr("max_length=N")));
}

TEST(TextClassifierTest, AModuleOfAnotherFormIsRefused) {
  for (const char* module : {"OneArgument.pt", "NumberArgument.pt"}) {
    EXPECT_THAT(Error(TextConfig(module)), HasSubstr("forward(input_ids, attention_mask)"));
  }
  EXPECT_THAT(Error(TextConfig("OneForAllRows.pt")), HasSubstr("[3,labels]"));
  EXPECT_THAT(Error(TextConfig("tokenizer.json")), HasSubstr("*.pt"));
}

TEST(TextClassifierTest, AModelOfTensorsHasNoOptions) {
  BackendConfig config = ModelConfig(TIFFIN_TEXT_MODELS, "Classifier.pt");
  config.options = {{"max_length", 8}};
  EXPECT_THAT(Error(config),
              AllOf(HasSubstr("unknown option 'max_length'"), HasSubstr("tokenizer.json")));
}

}  // namespace
}  // namespace tiffin::worker
