#include "common/model/model_keys.h"

#include <fstream>
#include <string>

#include "common/model/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"

// The table of model.yaml, which the reference shows, against its reader.
namespace tiffin::model {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

const Json kTensor = {{"name", "features"}, {"type", "fp32[64]"}};
const Json kMethod = {{"inputs", {kTensor}}, {"outputs", {kTensor}}};
const Json kModel = {{"name", "digits"},
                     {"version", 1},
                     {"backend", "torch"},
                     {"created", "now"},
                     {"methods", {{"run", kMethod}}}};

// JSON is YAML.
absl::Status Load(const Json& json) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() + "/model.yaml") << json.dump();
  return LoadModel(folder.path()).status();
}

// A model where `part` stands instead of what `pointer` points at.
Json With(const std::string& pointer, const Json& part) {
  Json model = kModel;
  model[Json::json_pointer(pointer)] = part;
  return model;
}

void CheckSection(const keys::Section& section, const Json& good, const std::string& pointer) {
  for (const keys::Key& key : section.keys) {
    const std::string name(key.name);
    Json without = good;
    without.erase(name);
    EXPECT_EQ(Load(With(pointer, without)).ok(), key.required.empty()) << name;

    Json wrong = good;
    wrong[name] = {{Json::array()}};  // No key takes lists of lists.
    const absl::Status status = Load(With(pointer, wrong));
    EXPECT_FALSE(status.ok()) << name;
    EXPECT_THAT(status.ToString(), testing::Not(HasSubstr("unknown key"))) << name;
  }
  Json unknown = good;
  unknown["nmae"] = 1;
  const std::string error = Load(With(pointer, unknown)).ToString();
  for (const keys::Key& key : section.keys) EXPECT_THAT(error, HasSubstr(std::string(key.name)));
}

TEST(ModelKeysTest, TheReaderKnowsTheKeysOfTheTable) {
  ASSERT_TRUE(Load(kModel).ok()) << Load(kModel);
  CheckSection(kModelSection, kModel, "");
  CheckSection(kMethodSection, kMethod, "/methods/run");
  CheckSection(kTensorSection, kTensor, "/methods/run/inputs/0");
}

}  // namespace
}  // namespace tiffin::model
