#include "gateway/commands/measure_runners.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/gateway/commands/script.h"

namespace tiffin::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PlannedWorker Worker(const std::string& service, const std::string& runner) {
  return {.service = service,
          .runner = runner,
          .program = "",
          .arguments = {"--runner", runner, "--threads", "9", "--store", "s"}};
}

class MeasureRunnersTest : public testing::Test {
 protected:
  // By a script that stands in for the worker's program.
  absl::StatusOr<RunnerProfile> Measure(const std::string& body) {
    worker_.program =
        WriteScript(std::filesystem::path(folder_.path()) / "tiffin-worker-fake", body);
    return MeasureRunner({.worker = &worker_,
                          .threads = {1, 4},
                          .methods = {"run", "words"},
                          .examples = {"text=a b"}},
                         [this](int threads) { progress_.push_back(threads); });
  }

  TemporaryFolder folder_;
  PlannedWorker worker_ = Worker("s", "r");
  std::vector<int> progress_;
};

TEST_F(MeasureRunnersTest, StartsTheWorkerOnceForEachNumberOfThreads) {
  // The answer's concurrency is the number of threads that the script was given.
  const auto measured = Measure("echo '{\"concurrency\": '\"$4\"', \"measurements\": []}'");
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->at(1).concurrency, 1);
  EXPECT_EQ(measured->at(4).concurrency, 4);
}

TEST_F(MeasureRunnersTest, GivesTheMethodsAndTheExamples) {
  const auto measured = Measure(
      "shift 6; [ \"$*\" = '--measure --method run --method words --example text=a b' ] || exit 1\n"
      "[ $# = 7 ] || exit 1\n"
      "echo '{\"concurrency\": 1, \"measurements\": []}'");
  EXPECT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(progress_, ElementsAre(1, 4));
}

TEST_F(MeasureRunnersTest, AFailureNamesTheRunner) {
  const auto wrong = Measure("echo no example >&2; exit 2").status();
  EXPECT_TRUE(absl::IsInvalidArgument(wrong));
  EXPECT_EQ(wrong.message(), "runner 's.r': no example");
  EXPECT_THAT(std::string(Measure("kill -9 $$").status().message()),
              HasSubstr("runner 's.r': tiffin-worker-fake: ended with"));
  EXPECT_THAT(std::string(Measure("echo nonsense").status().message()),
              HasSubstr("runner 's.r': a worker's measurements: must be a JSON object"));
}

TEST(ExamplesByWorkerTest, FindsTheRunnerWithAndWithoutItsService) {
  const std::vector<PlannedWorker> workers = {Worker("a", "one"), Worker("b", "two")};
  const auto examples = ExamplesByWorker({"one.x=1", "b.two.y=@f=g"}, workers);
  ASSERT_TRUE(examples.ok()) << examples.status();
  EXPECT_THAT(examples->at(&workers[0]), ElementsAre("x=1"));
  EXPECT_THAT(examples->at(&workers[1]), ElementsAre("y=@f=g"));
}

TEST(ExamplesByWorkerTest, ARunnerOfTwoServicesMustBeNamedWhole) {
  const std::vector<PlannedWorker> workers = {Worker("a", "same"), Worker("b", "same")};
  EXPECT_THAT(std::string(ExamplesByWorker({"same.x=1"}, workers).status().message()),
              HasSubstr("two services have a runner 'same'; write SERVICE.same.x"));
  EXPECT_TRUE(ExamplesByWorker({"b.same.x=1"}, workers).ok());
}

}  // namespace
}  // namespace tiffin::gateway
