#include "gateway/metrics/process_usage.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include "common/strings.h"
#include "common/unique_fd.h"
#include "gtest/gtest.h"

namespace tiffin::gateway::metrics {
namespace {

TEST(ProcessUsageTest, TellsOfThisProcess) {
  // Until a clock tick's worth of CPU is used.
  while (std::clock() < CLOCKS_PER_SEC / 20) {
  }
  const auto usage = ReadProcessUsage(getpid());
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->parent, getppid());
  EXPECT_GT(usage->cpu_seconds, 0);
  EXPECT_LT(usage->cpu_seconds, 60);
  EXPECT_GT(usage->resident_bytes, uint64_t{1} << 20);
  EXPECT_LT(usage->resident_bytes, uint64_t{1} << 34);
  EXPECT_GE(usage->threads, 1);
}

TEST(ProcessUsageTest, ThereIsNothingOfAProcessThatIsNot) {
  EXPECT_FALSE(ReadProcessUsage(-7).has_value());
}

TEST(ProcessUsageTest, ThereIsNothingOfAProcessThatEndsWhileItIsRead) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  ASSERT_GT(child, 0);
  std::ifstream stat(StrCat("/proc/", child, "/stat"));
  ASSERT_TRUE(stat.is_open());
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);

  EXPECT_FALSE(ParseProcessUsage(stat).has_value());
}

TEST(ProcessUsageTest, ThereIsNothingOfWhatIsCutShort) {
  const std::string whole =
      "7 (a b) S 1 2 3 4 5 6 7 8 9 10 100 50 13 14 15 16 3 18 19 18446744073709 2 0 0";
  std::istringstream stat(whole);
  const auto usage = ParseProcessUsage(stat);
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->threads, 3U);
  for (const size_t size : {whole.size() - 6, size_t{30}, size_t{9}}) {
    std::istringstream cut(whole.substr(0, size));
    EXPECT_FALSE(ParseProcessUsage(cut).has_value()) << whole.substr(0, size);
  }
}

TEST(ProcessUsageTest, CountsOpenDescriptors) {
  const uint64_t before = CountOpenDescriptors();
  const UniqueFd one(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(one.valid());
  EXPECT_EQ(CountOpenDescriptors(), before + 1);
}

}  // namespace
}  // namespace tiffin::gateway::metrics
