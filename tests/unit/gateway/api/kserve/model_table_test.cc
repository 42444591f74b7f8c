#include "gateway/api/kserve/model_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::kserve {
namespace {

using testing::FakeServing;
using ::testing::HasSubstr;

class ModelTableTest : public ::testing::Test {
 protected:
  ModelTableTest() {
    serving_.AddApi("demo", "predict", {}, {});
    serving_.AddApi("demo", "explain", {}, {});
    serving_.AddApi("other", "predict", {}, {});
    serving_.AddRunner("demo", "model_a", {}, {}).version = 3;
    serving_.AddRunner("demo", "model_a", {}, {}).method = "classify";
  }
  ModelTable Table() { return *ModelTable::Create(serving_.services(), serving_.runners()); }

  FakeServing serving_;
};

TEST_F(ModelTableTest, FindsApisRunnersAndMethodsByFullName) {
  const ModelTable table = Table();
  EXPECT_EQ(table.size(), 5U);
  for (const char* name :
       {"demo.predict", "demo.explain", "other.predict", "demo.model_a", "demo.model_a.classify"}) {
    const absl::StatusOr<const Model*> model = table.Find(name, "");
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->interface.name, name);
  }
}

TEST_F(ModelTableTest, FindsByALastPartThatIsUnique) {
  const ModelTable table = Table();
  EXPECT_EQ((*table.Find("explain", ""))->interface.name, "demo.explain");
  EXPECT_EQ((*table.Find("classify", ""))->interface.name, "demo.model_a.classify");
  const absl::Status ambiguous = table.Find("predict", "").status();
  EXPECT_EQ(ambiguous.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ambiguous.message()), HasSubstr("demo.predict, other.predict"));
}

TEST_F(ModelTableTest, UnknownNamesAreAnsweredWithWhatThereIs) {
  const absl::Status status = Table().Find("dmeo.predict", "").status();
  EXPECT_EQ(status, absl::NotFoundError(
                        "there is no model 'dmeo.predict'; this server has demo.explain, "
                        "demo.model_a, demo.model_a.classify, demo.predict, other.predict"));
}

TEST_F(ModelTableTest, VersionsMustFit) {
  const ModelTable table = Table();
  EXPECT_TRUE(table.Find("demo.model_a", "3").ok());
  EXPECT_TRUE(table.Find("demo.predict", "1").ok());
  EXPECT_EQ(table.Find("demo.model_a", "1").status(),
            absl::NotFoundError("model 'demo.model_a' has no version '1'; it has version 3"));
}

TEST_F(ModelTableTest, ClashesAreErrors) {
  serving_.AddRunner("demo", "predict", {}, {});
  const absl::Status status = ModelTable::Create(serving_.services(), serving_.runners()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'demo.predict'"));
}

}  // namespace
}  // namespace tiffin::gateway::kserve
