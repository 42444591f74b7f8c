#include "gateway/commands/describe_worker.h"

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
using testing::Not;

constexpr char kDescription[] =
    R"({"backend":"testing","model":"","model_version":1,"model_digest":"","methods":{}})";

class DescribeWorkerTest : public testing::Test {
 protected:
  absl::StatusOr<WorkerDescription> Describe(const std::string& body,
                                             ProgramLimits limits = kDescribeLimits) {
    return DescribeWorker(WriteScript(dir() / "tiffin-worker-fake", body), {"--describe", "a b"},
                          limits);
  }
  fs::path dir() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

TEST_F(DescribeWorkerTest, ReadsTheDescription) {
  const auto description = Describe(
      "[ \"$1\" = --describe ] && [ \"$2\" = 'a b' ] && [ $# = 2 ] || exit 1\n"
      "echo a log line >&2\necho '" +
      std::string(kDescription) + "'");

  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_EQ(description->backend, "testing");
}

TEST_F(DescribeWorkerTest, StdinIsEmpty) {
  const auto description = Describe("cat && echo '" + std::string(kDescription) + "'");
  EXPECT_TRUE(description.ok()) << description.status();
}

TEST_F(DescribeWorkerTest, ExitCodeTwoIsWrongConfigurationInTheWorkersWords) {
  const auto status = Describe("echo 'unknown option size; remove it' >&2; exit 2").status();

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "unknown option size; remove it");
}

TEST_F(DescribeWorkerTest, OtherEndsAreTold) {
  const auto failed = Describe("echo broken >&2; exit 7").status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(failed.message()),
              HasSubstr("tiffin-worker-fake: ended with exit code 7: broken"));

  const auto died = Describe("kill -SEGV $$").status();
  EXPECT_EQ(died.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(died.message()), HasSubstr("signal 11 (Segmentation fault)"));

  EXPECT_EQ(Describe("echo hello").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Describe("").status().code(), absl::StatusCode::kInternal);
}

TEST_F(DescribeWorkerTest, WhatCannotStartIsAnError) {
  EXPECT_FALSE(DescribeWorker(dir() / "none", {}).ok());
  std::ofstream(dir() / "text") << "not a program";
  EXPECT_THAT(std::string(DescribeWorker(dir() / "text", {}).status().message()),
              HasSubstr("can't start"));
}

TEST_F(DescribeWorkerTest, AWorkerThatHangsIsKilled) {
  const auto status =
      Describe("echo loading >&2; exec sleep 1000", {.time = absl::Milliseconds(500)}).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no answer after 500ms"));
}

TEST_F(DescribeWorkerTest, AGrandchildThatKeepsThePipesDelaysNothing) {
  const auto description = Describe("(exec sleep 20) &\necho '" + std::string(kDescription) + "'",
                                    {.time = absl::Seconds(15)});
  EXPECT_TRUE(description.ok()) << description.status();
}

TEST_F(DescribeWorkerTest, OutputWithoutEndIsCutOff) {
  EXPECT_THAT(std::string(Describe("exec yes", {.output_bytes = 100'000}).status().message()),
              HasSubstr("larger than 100000 bytes"));

  const auto loud = Describe("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1");
  EXPECT_LT(loud.status().message().size(), 5000u);
}

}  // namespace
}  // namespace tiffin::gateway
