#include <filesystem>
#include <fstream>
#include <string>

#include "common/model/digest.h"
#include "common/model/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::model {
namespace {

using Json = nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;

Model Digits() {
  Model model;
  model.name = "digits";
  model.version = 7;
  model.backend = "xgboost";
  model.created = "2024-02-29T12:00:00Z";
  model.files = {{"model.ubj", Sha256Hex("weights")}};
  model.methods["run"] = {.inputs = {{"features", TensorType(DataType::kFp32, {64})},
                                     {"note", SingleType(ValueKind::kText)}},
                          .outputs = {{"scores", TensorType(DataType::kFp32, {-1, 10})}},
                          .batchable = true,
                          .retry_safe = false};
  model.options = {{"base", 0.5}, {"names", {"1", "x: y"}}};
  model.labels = {"zero", "1", "true", "two: \"2\""};
  model.metadata = {{"accuracy", 0.97}, {"source", "a, b # c"}};
  model.example = {{"run", {{"features", {0.25, 1, -3e-9}}, {"note", "hé"}}}};
  return model;
}

class ModelYamlTest : public testing::Test {
 protected:
  absl::StatusOr<Model> Load(const std::string& yaml) {
    std::ofstream(dir() / kModelFile) << yaml;
    return LoadModel(dir());
  }
  // Loads a good description with `from` replaced by `to`; the message of the error.
  std::string ErrorAfter(const std::string& from, const std::string& to) {
    std::string yaml = ModelToYaml(Digits());
    const size_t at = yaml.find(from);
    EXPECT_NE(at, std::string::npos) << from << " is not in\n" << yaml;
    if (at == std::string::npos) return "";
    const auto model = Load(yaml.replace(at, from.size(), to));
    EXPECT_FALSE(model.ok()) << yaml;
    EXPECT_THAT(std::string(model.status().message()),
                testing::StartsWith((dir() / kModelFile).string() + ":"));
    return std::string(model.status().message());
  }
  std::filesystem::path dir() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

TEST_F(ModelYamlTest, ReadsBackWhatItWrites) {
  const Model written = Digits();
  const std::string yaml = ModelToYaml(written);

  const auto read = Load(yaml);

  ASSERT_TRUE(read.ok()) << read.status() << "\n" << yaml;
  EXPECT_EQ(read->name, written.name);
  EXPECT_EQ(read->version, written.version);
  EXPECT_EQ(read->backend, written.backend);
  EXPECT_EQ(read->created, written.created);
  EXPECT_EQ(read->files, written.files);
  EXPECT_EQ(read->methods, written.methods);
  EXPECT_EQ(read->options, written.options);
  EXPECT_EQ(read->labels, written.labels);
  EXPECT_EQ(read->metadata, written.metadata);
  EXPECT_EQ(read->example, written.example);
  EXPECT_EQ(read->dir, dir());
  EXPECT_EQ(read->digest, Sha256Hex(yaml));
}

TEST_F(ModelYamlTest, TheSmallestDescriptionIsEnough) {
  const auto model = Load("name: a\nversion: 1\nbackend: image\ncreated: now\n");

  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE(model->methods.empty());
  EXPECT_TRUE(model->options.is_object());
}

TEST_F(ModelYamlTest, EveryMistakeIsNamed) {
  EXPECT_THAT(ErrorAfter("name: \"digits\"\n", ""), HasSubstr("'name' is missing"));
  EXPECT_THAT(ErrorAfter("\"digits\"", "Digits"), HasSubstr("the model name 'Digits'"));
  EXPECT_THAT(ErrorAfter("\"digits\"", "[a]"), HasSubstr("'name' must be text"));
  EXPECT_THAT(ErrorAfter("version: 7", "version: 0"), HasSubstr("positive whole number"));
  EXPECT_THAT(ErrorAfter("version: 7", "version: '7'"), HasSubstr("positive whole number"));
  EXPECT_THAT(ErrorAfter("version: 7", "version: 18446744073709551615"),
              HasSubstr("positive whole number"));
  EXPECT_THAT(ErrorAfter("\"xgboost\"", "../xgboost"), HasSubstr("the backend name"));
  EXPECT_THAT(ErrorAfter("created:", "creatd:"), HasSubstr("unknown key 'creatd'; the keys are:"));
  EXPECT_THAT(ErrorAfter("batchable:", "batched:"), HasSubstr("'methods.run.batched'"));
  EXPECT_THAT(ErrorAfter("type: \"text\"", "type: \"text\", rows: 1"),
              HasSubstr("'methods.run.inputs[1].rows'"));
  EXPECT_THAT(ErrorAfter("fp32[64]", "float[64]"), HasSubstr("methods.run: inputs[0]"));
  EXPECT_THAT(ErrorAfter("true", "yes"), HasSubstr("methods.run: 'batchable' must be true or"));
  EXPECT_THAT(ErrorAfter("\"note\"", "\"no te\""), HasSubstr("'no te' has a space"));
  EXPECT_THAT(ErrorAfter("\"run\"", "\"Run\""), HasSubstr("the method name 'Run'"));
  EXPECT_THAT(ErrorAfter(Sha256Hex("weights"), "abc"), HasSubstr("'model.ubj' must have its SHA"));
  EXPECT_THAT(ErrorAfter("[\"zero\"", "[0"), HasSubstr("labels[0] must be text"));
  EXPECT_THAT(ErrorAfter("labels: [", "labels: x #"), HasSubstr("'labels' must be a list"));
  EXPECT_THAT(ErrorAfter("created:", "name: b\ncreated:"), HasSubstr("'name' is there twice"));
  EXPECT_THAT(ErrorAfter("created: ", "created: \"x"), HasSubstr("is not YAML"));
}

TEST_F(ModelYamlTest, FilesCannotLeaveTheFolder) {
  for (const std::string name :
       {"../model.ubj", "/etc/passwd", "a/b", "..", ".", ".hidden", "", "model.yaml", "a\\nb"}) {
    EXPECT_THAT(ErrorAfter("\"model.ubj\"", "\"" + name + "\""), HasSubstr("the file name"))
        << name;
  }
}

TEST_F(ModelYamlTest, EmptyAndForeignFilesAreRefused) {
  EXPECT_FALSE(Load("").ok());
  EXPECT_FALSE(Load("just text").ok());
  EXPECT_FALSE(Load(std::string("\0\x01\xff\xfe", 4)).ok());
  EXPECT_EQ(LoadModel(dir() / "none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ModelYamlTest, TextThatIsNotUtf8IsReplacedAndDoesNotThrow) {
  Model model = Digits();
  model.labels = {"\xff\xfe"};
  EXPECT_TRUE(Load(ModelToYaml(model)).ok());
}

}  // namespace
}  // namespace tiffin::model
