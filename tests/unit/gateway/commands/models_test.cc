#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "common/model/store.h"
#include "gateway/commands/command.h"
#include "gateway/commands/models_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/gateway/commands/script.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

struct Outcome {
  int exit_code = 0;
  std::string out;
  std::string err;
};

class ModelsTest : public testing::Test {
 protected:
  static Outcome Run(std::vector<std::string> arguments) {
    std::vector<const char*> argv = {"tiffin"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Outcome outcome;
    outcome.exit_code = RunCommandLine(static_cast<int>(argv.size()), argv.data(), {AddModels});
    std::fflush(stdout);
    outcome.out = testing::internal::GetCapturedStdout();
    outcome.err = testing::internal::GetCapturedStderr();
    return outcome;
  }
  void Publish(const std::string& name) {
    const model::Store store(this->store());
    auto staged = store.Stage().value();
    std::ofstream(staged.path() / "model.bin") << "weights";
    model::Model model;
    model.name = name;
    model.backend = "testing";
    model.methods["run"] = {.inputs = {{"in", TensorType(DataType::kFp32, {64})}},
                            .outputs = {{"out", SingleType(ValueKind::kText)}},
                            .batchable = true};
    model.labels = {"\x1b[31mred"};
    model.metadata = {{"accuracy", 0.5}};
    ASSERT_TRUE(store.Publish(std::move(staged), std::move(model)).ok());
  }
  fs::path dir() const { return folder_.path(); }
  std::string store() const { return (dir() / "store").string(); }

 private:
  TemporaryFolder folder_;
};

TEST_F(ModelsTest, WrongUsageExitsWithTwoAndHelpWithZero) {
  EXPECT_EQ(Run({}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"models"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"models", "lst"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"models", "list", "--color"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"models", "show"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"models", "import", "digits"}).exit_code, kExitUsage);
  EXPECT_EQ(Run({"models", "import", "--help"}).exit_code, kExitDone);
}

TEST_F(ModelsTest, ListShowsEveryVersion) {
  EXPECT_THAT(Run({"models", "list", "--store", store()}).out, HasSubstr("no models in"));
  Publish("digits");
  Publish("digits");

  const Outcome table = Run({"models", "list", "--store", store()});
  EXPECT_EQ(table.exit_code, kExitDone);
  EXPECT_THAT(table.out, HasSubstr("digits  2        testing"));
  EXPECT_THAT(table.out, HasSubstr("run(in: fp32[64]) -> (out: text)"));

  const Json json = Json::parse(Run({"models", "list", "--json", "--store", store()}).out);
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[1]["version"], 2);
  EXPECT_EQ(json[1]["methods"]["run"]["inputs"][0]["type"], "fp32[64]");
}

TEST_F(ModelsTest, ListShowsTheOthersWhereOneIsBroken) {
  Publish("digits");
  Publish("letters");
  std::ofstream(fs::path(store()) / "letters" / "1" / "model.yaml") << "name: [";

  const Outcome outcome = Run({"models", "list", "--store", store()});

  EXPECT_EQ(outcome.exit_code, kExitFailed);
  EXPECT_THAT(outcome.out, HasSubstr("digits"));
  EXPECT_THAT(outcome.err, HasSubstr("letters/1/model.yaml:"));
}

TEST_F(ModelsTest, VerifyFindsTheFileThatChanged) {
  EXPECT_THAT(Run({"models", "verify", "--store", store()}).err, HasSubstr("no models in"));
  Publish("digits");
  Publish("letters");
  EXPECT_EQ(Run({"models", "verify", "--store", store()}).out,
            "digits:1: as it was imported\nletters:1: as it was imported\n");
  std::ofstream(fs::path(store()) / "digits" / "1" / "model.bin") << "Weights";

  const Outcome all = Run({"models", "verify", "--store", store()});
  const Outcome one = Run({"models", "verify", "letters:latest", "--store", store()});
  const Outcome none = Run({"models", "verify", "letters:2", "--store", store()});

  EXPECT_EQ(all.exit_code, kExitFailed);
  EXPECT_THAT(all.err, HasSubstr("digits/1/model.bin: is not the file that was imported"));
  EXPECT_EQ(all.out, "letters:1: as it was imported\n");
  EXPECT_EQ(one.exit_code, kExitDone);
  EXPECT_EQ(none.exit_code, kExitFailed);
}

TEST_F(ModelsTest, ShowTellsAllOrWhatThereIs) {
  Publish("digits");

  const Outcome shown = Run({"models", "show", "digits:latest", "--store", store()});
  EXPECT_EQ(shown.exit_code, kExitDone);
  EXPECT_THAT(shown.out, HasSubstr("digits:1\n"));
  EXPECT_THAT(shown.out, HasSubstr("accuracy = 0.5"));
  EXPECT_THAT(shown.out, testing::Not(HasSubstr("\x1b")));
  EXPECT_EQ(
      Json::parse(Run({"models", "show", "digits", "--json", "--store", store()}).out)["files"]
          .size(),
      1u);

  const Outcome missing = Run({"models", "show", "digit", "--store", store()});
  EXPECT_EQ(missing.exit_code, kExitFailed);
  EXPECT_THAT(missing.err, HasSubstr("no model 'digit' in the store"));
  EXPECT_EQ(Run({"models", "show", "digits:x", "--store", store()}).exit_code, kExitUsage);
}

TEST_F(ModelsTest, ImportTakesItsArgumentsInAnyOrder) {
  WriteScript(dir() / "tiffin-worker-torch",
              R"sh(cat "$2/model.yaml" >"$(dirname "$0")/seen.yaml"
echo '{"backend":"torch","methods":{"run":{"inputs":[{"name":"a","type":"fp32[2,3]"},
  {"name":"b","type":"text"}],"outputs":[{"name":"c","type":"fp32[]"}]}}}')sh");
  std::ofstream(dir() / "m.pt") << "weights";
  std::ofstream(dir() / "words.txt") << "words";

  const Outcome outcome = Run({"models",
                               "import",
                               "--input",
                               "a:fp32[2,3]",
                               "--input",
                               "b:text",
                               "net",
                               "--labels",
                               "x,y",
                               "--metadata",
                               "k=v",
                               (dir() / "m.pt").string(),
                               (dir() / "words.txt").string(),
                               "--metadata",
                               "n=[1, 2]",
                               "--output",
                               "c:fp32[]",
                               "--not-batchable",
                               "--store",
                               store(),
                               "--worker-dir",
                               dir().string(),
                               "--example",
                               R"({"a": [[1,2,3],[4,5,6]], "b": "hello"})"});

  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("imported net:1\n"));
  const auto model = model::Store(store()).Find("net");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->files.size(), 2u);
  EXPECT_THAT(model->labels, testing::ElementsAre("x", "y"));
  EXPECT_EQ(model->metadata, Json::parse(R"({"k": "v", "n": [1, 2]})"));
  EXPECT_EQ(model->example["run"]["a"][1][2], 6);
}

TEST_F(ModelsTest, ImportErrorsExitWithTwo) {
  std::ofstream(dir() / "m.pt") << "weights";
  const Outcome outcome = Run({"models", "import", "Net", (dir() / "m.pt").string(), "--store",
                               store(), "--worker-dir", dir().string()});
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("tiffin: the model name 'Net'"));
}

}  // namespace
}  // namespace tiffin::gateway
