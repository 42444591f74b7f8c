#include "gateway/commands/run_program.h"

#include <string>

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
  const auto output = Shell("ls /proc/$$/fd");
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(output->out, testing::StartsWith("0\n1\n2\n"));
  EXPECT_THAT(output->out, testing::Not(HasSubstr("3\n4")));
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
