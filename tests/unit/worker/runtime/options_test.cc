#include "worker/runtime/options.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/worker/runtime/controlled_backend.h"

namespace tiffin::worker {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A service file and a store with one model.
class ResolveSubjectTest : public ::testing::Test {
 protected:
  ResolveSubjectTest() {
    options_.service_file = folder_.path() + "/service.yaml";
    options_.store = folder_.path() + "/store";
    options_.runner = "plain";
    options_.threads = 3;
    std::ofstream(options_.service_file) << R"(service: demo
runners:
  plain: {backend: testing, options: {behavior: identity}}
  stored: {model: "digits:latest", options: {b: 20, c: 30}}
  batched: {backend: testing, batching: {max_batch_size: 7, max_delay: 5ms, policy: fixed}}
  one_by_one: {backend: testing, batching: off}
  missing: {model: "nowhere:latest"}
apis:
  all:
    input: {x: "fp32[1]"}
    steps:
      a: plain(x)
      b: stored(a)
      c: missing(b)
    output: {c: c}
)";
  }

  model::Model ImportDigits() {
    const model::Store store(options_.store);
    auto staged = store.Stage();
    EXPECT_TRUE(staged.ok()) << staged.status();
    std::ofstream(staged->path() / "model.bin") << "weights";
    model::Model model;
    model.name = "digits";
    model.backend = "testing";
    model.methods = BytesSignature();
    model.options = {{"a", 1}, {"b", 2}};
    model.example = {{"run", {{"in", {1, 2, 3}}}}};
    auto published = store.Publish(*std::move(staged), std::move(model));
    EXPECT_TRUE(published.ok()) << published.status();
    return published.value_or(model::Model{});
  }
  absl::Status Refused(std::string_view backend = "testing") const {
    const auto subject = ResolveSubject(options_, backend);
    EXPECT_FALSE(subject.ok());
    return subject.status();
  }

  TemporaryFolder folder_;
  WorkerOptions options_;
};

TEST_F(ResolveSubjectTest, BatchingIsAsTheRunnerSaysAndOnWhereItSaysNothing) {
  const auto plain = ResolveSubject(options_, "testing");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->batching.max_batch_size, 32);
  EXPECT_EQ(plain->batching.max_delay, absl::Milliseconds(2));
  EXPECT_EQ(plain->batching.policy, config::BatchingPolicy::kAdaptive);
  EXPECT_FALSE(plain->asks_for_batching);

  options_.runner = "batched";
  const auto batched = ResolveSubject(options_, "testing");
  ASSERT_TRUE(batched.ok()) << batched.status();
  EXPECT_EQ(batched->batching.max_batch_size, 7);
  EXPECT_EQ(batched->batching.max_delay, absl::Milliseconds(5));
  EXPECT_EQ(batched->batching.policy, config::BatchingPolicy::kFixed);
  EXPECT_TRUE(batched->asks_for_batching);

  options_.runner = "one_by_one";
  const auto off = ResolveSubject(options_, "testing");
  ASSERT_TRUE(off.ok()) << off.status();
  EXPECT_EQ(off->batching.policy, config::BatchingPolicy::kOff);
  EXPECT_FALSE(off->asks_for_batching);
}

TEST_F(ResolveSubjectTest, ARunnerWithoutAModelHasItsOptions) {
  const auto subject = ResolveSubject(options_, "testing");

  ASSERT_TRUE(subject.ok()) << subject.status();
  EXPECT_EQ(subject->config.options, nlohmann::json({{"behavior", "identity"}}));
  EXPECT_EQ(subject->config.threads, 3);
  EXPECT_TRUE(subject->config.model_dir.empty());
  EXPECT_TRUE(subject->model.empty());
  EXPECT_TRUE(subject->model_digest.empty());
}

TEST_F(ResolveSubjectTest, ARunnersOptionsLieOverThoseOfItsModel) {
  const model::Model model = ImportDigits();
  options_.runner = "stored";

  const auto subject = ResolveSubject(options_, "testing");

  ASSERT_TRUE(subject.ok()) << subject.status();
  EXPECT_EQ(subject->config.options, nlohmann::json({{"a", 1}, {"b", 20}, {"c", 30}}));
  EXPECT_EQ(subject->model, "digits");
  EXPECT_EQ(subject->model_version, 1);
  EXPECT_EQ(subject->model_digest, model.digest);
  EXPECT_EQ(subject->config.model_dir, model.dir);
  EXPECT_THAT(subject->config.files, ElementsAre("model.bin"));
  EXPECT_EQ(subject->config.declared, BytesSignature());
  EXPECT_EQ(subject->config.threads, 3);
}

TEST_F(ResolveSubjectTest, AModelsFolderIsEnough) {
  const model::Model model = ImportDigits();
  WorkerOptions options;
  options.model_dir = model.dir.native();

  const auto subject = ResolveSubject(options, "testing");

  ASSERT_TRUE(subject.ok()) << subject.status();
  EXPECT_EQ(subject->model, "digits");
  EXPECT_EQ(subject->example, model.example);
}

TEST_F(ResolveSubjectTest, AnUnknownRunnerIsNamedWithItsFile) {
  options_.runner = "nobody";

  const absl::Status status = Refused();

  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("'nobody'"), HasSubstr(options_.service_file)));
}

TEST_F(ResolveSubjectTest, AServiceFileThatIsNotThereIsNamed) {
  options_.service_file = folder_.path() + "/other.yaml";

  EXPECT_THAT(std::string(Refused().message()), HasSubstr("other.yaml"));
}

TEST_F(ResolveSubjectTest, AServiceFileWithErrorsIsRefusedWithAll) {
  std::ofstream(options_.service_file) << "service: demo\nrunner: {}\napi: {}\n";

  EXPECT_THAT(std::string(Refused().message()),
              AllOf(HasSubstr("service.yaml:2:"), HasSubstr("service.yaml:3:")));
}

TEST_F(ResolveSubjectTest, AModelThatTheStoreLacksIsNamedWithItsRunner) {
  ImportDigits();
  options_.runner = "missing";

  const absl::Status status = Refused();

  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("runner 'missing'"), HasSubstr("nowhere")));
}

TEST_F(ResolveSubjectTest, AnotherBackendsRunnerIsRefusedWithTheRightProgram) {
  const absl::Status status = Refused("torch");

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("runner 'plain'"), HasSubstr("tiffin-worker-testing"),
                    HasSubstr("not tiffin-worker-torch")));
}

TEST_F(ResolveSubjectTest, AnotherBackendsModelIsRefusedToo) {
  const model::Model model = ImportDigits();
  options_.runner = "stored";
  EXPECT_THAT(std::string(Refused("xgboost").message()), HasSubstr("tiffin-worker-testing"));

  WorkerOptions by_folder;
  by_folder.model_dir = model.dir.native();
  EXPECT_TRUE(absl::IsInvalidArgument(ResolveSubject(by_folder, "xgboost").status()));
}

TEST_F(ResolveSubjectTest, AChangedFileOfAModelIsRefused) {
  const model::Model model = ImportDigits();
  fs::permissions(model.dir / "model.bin", fs::perms::owner_all);
  std::ofstream(model.dir / "model.bin") << "other weights";
  options_.runner = "stored";

  EXPECT_THAT(std::string(Refused().message()), HasSubstr("model.bin"));
}

}  // namespace
}  // namespace tiffin::worker
