#include "gateway/commands/models_import.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/gateway/commands/script.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

// Describes run(features: fp32[2]) -> (scores: fp32[3]).
constexpr char kWorker[] = R"sh(
[ "$1" = --model ] && [ "$3" = --describe ] || exit 9
[ -f "$2/model.yaml" ] && [ -f "$2/model.ubj" ] || exit 9
cp "$2/model.yaml" "$(dirname "$0")/seen.yaml"
echo '{"backend":"xgboost","model":"","model_version":1,"model_digest":"","methods":{"run":
 {"inputs":[{"name":"features","type":"fp32[2]"}],"outputs":[{"name":"scores","type":"fp32[3]"}],
  "batchable":true,"retry_safe":true}}}'
)sh";

class ModelsImportTest : public testing::Test {
 protected:
  ModelsImportTest() {
    std::ofstream(dir() / "model.ubj") << "weights";
    WriteScript(dir() / "tiffin-worker-xgboost", kWorker);
    options_.name = "digits";
    options_.files = {dir() / "model.ubj"};
    options_.store = dir() / "store";
    options_.worker_dirs = {dir().native()};
  }
  std::string Error() {
    const auto model = ImportModel(options_);
    EXPECT_FALSE(model.ok());
    EXPECT_THAT(model::Store(options_.store).Versions().value(), IsEmpty());
    const fs::path staging = options_.store / ".staging";
    EXPECT_TRUE(!fs::exists(staging) || fs::is_empty(staging));
    return std::string(model.status().message());
  }
  fs::path dir() const { return folder_.path(); }

  TemporaryFolder folder_;
  ImportOptions options_;
};

TEST_F(ModelsImportTest, TheWorkersSignatureIsStoredWithWhatWasGiven) {
  options_.labels = {"a", "b, c", "d"};
  options_.metadata = {"accuracy=0.97", "source=a \"book\": page 3 = 4", "empty="};
  options_.options = {"size=[8,8]"};
  options_.example = R"({"features": [0.5, 1]})";

  const auto imported = ImportModel(options_);

  ASSERT_TRUE(imported.ok()) << imported.status();
  const auto model = model::Store(options_.store).Find("digits:1");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->backend, "xgboost");
  EXPECT_EQ(model->methods.at("run").outputs.at(0),
            (TensorSpec{"scores", TensorType(DataType::kFp32, {3})}));
  EXPECT_EQ(model->labels, options_.labels);
  EXPECT_EQ(
      model->metadata,
      nlohmann::json::parse(R"({"accuracy":0.97,"source":"a \"book\": page 3 = 4","empty":""})"));
  EXPECT_EQ(model->options["size"][1], 8);
  EXPECT_EQ(model->example["run"]["features"][0], 0.5);
  EXPECT_TRUE(model::VerifyFiles(*model).ok());
  EXPECT_EQ(model->files.size(), 1u);
}

TEST_F(ModelsImportTest, TheWorkerSeesWhatWasDeclared) {
  options_.inputs = {"features:fp32[2]"};
  options_.not_batchable = true;
  ASSERT_TRUE(ImportModel(options_).ok());

  fs::create_directory(dir() / "seen");
  fs::rename(dir() / "seen.yaml", dir() / "seen" / "model.yaml");
  const auto seen = model::LoadModel(dir() / "seen");
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_EQ(seen->methods.at("run").inputs.at(0).name, "features");
  EXPECT_THAT(seen->methods.at("run").outputs, IsEmpty());
  EXPECT_FALSE(seen->methods.at("run").batchable);
  EXPECT_EQ(seen->files.count("model.ubj"), 1u);
}

TEST_F(ModelsImportTest, TheBackendComesFromTheEndingOrIsAskedFor) {
  fs::rename(dir() / "model.ubj", dir() / "model.bin");
  options_.files = {dir() / "model.bin"};
  EXPECT_THAT(Error(), HasSubstr("don't tell the backend; name it"));

  std::ofstream(dir() / "a.json") << "{}";
  std::ofstream(dir() / "b.pt") << "{}";
  options_.files = {dir() / "a.json", dir() / "b.pt"};
  EXPECT_THAT(Error(), HasSubstr("two backends"));

  options_.files = {dir() / "b.pt"};
  WriteScript(dir() / "tiffin-worker-torch", "echo 'asked for torch' >&2; exit 2");
  EXPECT_THAT(Error(), HasSubstr("asked for torch"));
  options_.backend = "none";
  EXPECT_THAT(Error(), HasSubstr("no worker program"));
}

TEST_F(ModelsImportTest, BadArgumentsAreNamed) {
  const ImportOptions good = options_;
  const auto error_with = [&](auto change) {
    options_ = good;
    change(options_);
    return Error();
  };
  using O = ImportOptions;
  EXPECT_THAT(error_with([](O& o) { o.name = "Digits"; }), HasSubstr("the model name 'Digits'"));
  EXPECT_THAT(error_with([](O& o) { o.backend = "../x"; }), HasSubstr("the backend name '../x'"));
  EXPECT_THAT(error_with([](O& o) { o.inputs = {"fp32[2]"}; }), HasSubstr("write name:type"));
  EXPECT_THAT(error_with([](O& o) { o.inputs = {"a:float"}; }), HasSubstr("--input a:float: type"));
  EXPECT_THAT(error_with([](O& o) { o.outputs = {"a:text", "a:text"}; }), HasSubstr("twice"));
  EXPECT_THAT(error_with([](O& o) { o.metadata = {"accuracy"}; }), HasSubstr("write key=value"));
  EXPECT_THAT(error_with([](O& o) { o.options = {"a=1", "a=2"}; }), HasSubstr("twice"));
  EXPECT_THAT(error_with([](O& o) { o.example = "[1]"; }), HasSubstr("must be a JSON object"));
  EXPECT_THAT(error_with([](O& o) { o.example = "@/none"; }), HasSubstr("there is no such file"));
  EXPECT_THAT(error_with([](O& o) { o.example = "{\"x\": 1}"; }), HasSubstr("no input 'x'"));
  EXPECT_THAT(error_with([](O& o) { o.example = "{}"; }), HasSubstr("no value for features"));
  EXPECT_THAT(error_with([](O& o) { o.files.push_back("/none.ubj"); }), HasSubstr("is not a file"));
  EXPECT_THAT(error_with([](O& o) { o.files.push_back(o.files[0]); }), HasSubstr("two files"));
}

TEST_F(ModelsImportTest, AModelThatTheWorkerRefusesIsNotPublished) {
  WriteScript(dir() / "tiffin-worker-xgboost", "echo 'model.ubj: not a model' >&2; exit 2");
  EXPECT_EQ(Error(), "model.ubj: not a model");

  WriteScript(dir() / "tiffin-worker-xgboost", "kill -9 $$");
  EXPECT_THAT(Error(), HasSubstr("ended with signal 9"));

  WriteScript(dir() / "tiffin-worker-xgboost",
              R"(echo '{"backend":"xgboost","methods":{"run":{"inputs":[{"name":"a","type":"text"}],
                 "outputs":[]}}}')");
  EXPECT_THAT(Error(), HasSubstr("does not tell its outputs; give them"));

  WriteScript(dir() / "tiffin-worker-xgboost", R"(echo '{"backend":"torch","methods":{}}')");
  EXPECT_THAT(Error(), HasSubstr("calls itself 'torch'"));
}

TEST_F(ModelsImportTest, AnExampleFileIsRead) {
  std::ofstream(dir() / "example.json") << R"({"features": [1, 2]})";
  options_.example = "@" + (dir() / "example.json").string();
  EXPECT_EQ(ImportModel(options_).value().example["run"]["features"][1], 2);
}

TEST_F(ModelsImportTest, ALinkedFileIsCopied) {
  fs::create_directory(dir() / "links");
  fs::create_symlink(dir() / "model.ubj", dir() / "links" / "model.ubj");
  options_.files = {dir() / "links" / "model.ubj"};
  const auto model = ImportModel(options_);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE(model::VerifyFiles(*model).ok());
}

}  // namespace
}  // namespace tiffin::gateway
