#include "gateway/commands/run_program.h"

#include <unistd.h>

#include <string>

#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using testing::HasSubstr;

absl::StatusOr<ProgramOutput> Shell(const std::string& script, std::string_view input = "") {
  return RunProgram("/bin/sh", {"-c", script}, input, {});
}

TEST(RunProgramTest, GivesTheInputAndTakesBothStreamsAndTheEnd) {
  const auto output = Shell("cat; echo why >&2; exit 3", "in\n");

  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->out, "in\n");
  EXPECT_EQ(output->err, "why\n");
  EXPECT_EQ(output->ending.exit_code, 3);
}

TEST(RunProgramTest, InputAndOutputMayBeLargerThanAnyPipe) {
  const std::string large(3'000'000, 'x');
  const auto output = Shell("cat", large);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->out, large);
}

TEST(RunProgramTest, TheProgramGetsNoOtherDescriptor) {
  const UniqueFd leaky(dup2(STDOUT_FILENO, 77));  // Not close-on-exec.
  ASSERT_TRUE(leaky.valid());
  const auto output = Shell("[ ! -e /proc/$$/fd/77 ]");
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->ending.exit_code, 0);
}

TEST(RunProgramTest, AProgramThatHangsIsKilledAndItsLastWordsAreTold) {
  const auto output = RunProgram("/bin/sh", {"-c", "echo so far >&2; exec sleep 1000"}, "",
                                 {.time = absl::Milliseconds(300)});
  EXPECT_EQ(output.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(output.status().message()), HasSubstr("no answer after 300ms: so far"));
}

TEST(RunProgramTest, AnAnswerWithoutEndIsRefused) {
  const auto output = RunProgram("/bin/sh", {"-c", "exec yes"}, "", {.output_bytes = 100'000});
  EXPECT_EQ(output.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(LastWordsTest, AreTheEndOfALongText) {
  EXPECT_EQ(LastWords(" reason \n"), "reason");
  EXPECT_EQ(LastWords(" \n"), "it said nothing on stderr");
  const std::string last = LastWords(std::string(10'000, 'x') + "end");
  EXPECT_TRUE(last.starts_with("... x") && last.ends_with("xend"));
  EXPECT_LT(last.size(), 5000u);
}

}  // namespace
}  // namespace tiffin::gateway
