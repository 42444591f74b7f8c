#include "gateway/supervisor/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;

class ProcessTest : public ::testing::Test {
 protected:
  ProcessTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    lifeline_ = UniqueFd(ends[0]);
    lifeline_end_ = UniqueFd(ends[1]);
  }

  // Runs a shell script.
  Process Shell(const std::string& script) const {
    auto process = Process::Spawn("/bin/sh", {"-c", script}, {.lifeline = lifeline_.get()});
    if (!process.ok()) {
      ADD_FAILURE() << process.status();
      std::abort();
    }
    return *std::move(process);
  }
  // Waits for the end.
  static Process::Ending Await(Process& process) {
    pollfd ended{.fd = process.pidfd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&ended, 1, 20'000), 1) << "it does not end";
    const auto ending = process.Reap();
    EXPECT_TRUE(ending.has_value());
    return ending.value_or(Process::Ending{});
  }
  // A script is a question: exit code 0 is yes.
  bool Holds(const std::string& script) const {
    Process process = Shell(script);
    return Await(process).exit_code == 0;
  }

  UniqueFd lifeline_;
  UniqueFd lifeline_end_;  // What keeps children alive that wait for it.
};

TEST_F(ProcessTest, TellsTheExitCode) {
  auto process = Process::Spawn("/bin/true", {}, {.lifeline = lifeline_.get()});
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ(Await(*process).text, "exit code 0");

  Process failing = Shell("exit 7");
  const Process::Ending ending = Await(failing);
  EXPECT_EQ(ending.text, "exit code 7");
  EXPECT_EQ(ending.exit_code, 7);
}

TEST_F(ProcessTest, TellsTheSignal) {
  Process process = Shell("kill -KILL $$");

  const Process::Ending ending = Await(process);

  EXPECT_EQ(ending.text, "signal 9 (Killed)");
  EXPECT_EQ(ending.exit_code, std::nullopt);
}

TEST_F(ProcessTest, TellsHowMuchMemoryItHad) {
  // The shell's variable has 32 MiB.
  Process process = Shell("x=$(head -c 33554432 /dev/zero | tr '\\0' x); test ${#x} = 33554432");

  const Process::Ending ending = Await(process);

  EXPECT_EQ(ending.exit_code, 0);
  EXPECT_GE(ending.peak_memory, uint64_t{32} << 20);
  EXPECT_LT(ending.peak_memory, uint64_t{512} << 20);
}

TEST_F(ProcessTest, SignalsReachIt) {
  Process process = Shell("exec cat <&3");
  process.Signal(SIGTERM);

  EXPECT_THAT(Await(process).text, HasSubstr("signal 15"));
}

TEST_F(ProcessTest, ReapGivesNothingWhileItRunsAndOnceAfter) {
  Process process = Shell("exec cat <&3");
  EXPECT_FALSE(process.Reap().has_value());

  process.Signal(SIGKILL);
  Await(process);

  EXPECT_FALSE(process.Reap().has_value());
  process.Signal(SIGTERM);  // Nobody's any more; nothing happens.
}

TEST_F(ProcessTest, AProgramThatIsNotThereIsNamed) {
  const auto process = Process::Spawn("/nowhere/worker", {}, {.lifeline = lifeline_.get()});

  ASSERT_FALSE(process.ok());
  EXPECT_THAT(std::string(process.status().message()), HasSubstr("/nowhere/worker"));
}

TEST_F(ProcessTest, GetsItsArguments) {
  auto process = Process::Spawn(
      "/bin/sh",
      {"-c", R"([ "$1" = "two words" ] && [ -z "$2" ] && [ $# = 2 ])", "name", "two words", ""},
      {.lifeline = lifeline_.get()});
  ASSERT_TRUE(process.ok()) << process.status();

  EXPECT_EQ(Await(*process).exit_code, 0);
}

TEST_F(ProcessTest, EndOfTheLifelineIsSeen) {
  Process process = Shell("cat <&3; exit 5");
  EXPECT_FALSE(process.Reap().has_value());

  lifeline_end_ = UniqueFd();

  EXPECT_EQ(Await(process).exit_code, 5);
}

TEST_F(ProcessTest, InheritsTheLifelineAndNothingElse) {
  const UniqueFd leaky(dup2(lifeline_end_.get(), 77));  // Not close-on-exec.
  ASSERT_EQ(leaky.get(), 77);

  EXPECT_TRUE(Holds("[ -e /proc/$$/fd/3 ]"));
  EXPECT_FALSE(Holds("[ -e /proc/$$/fd/77 ]"));
  EXPECT_TRUE(Holds("readlink /proc/$$/fd/0 | grep -qx /dev/null"));
}

TEST_F(ProcessTest, StartsWithSignalsAtTheirDefaults) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto old = signal(SIGPIPE, SIG_IGN);

  EXPECT_TRUE(Holds("grep -q '^SigBlk:[[:space:]]*0*$' /proc/self/status"));
  // Two that the C library has for itself come after the first 31.
  EXPECT_TRUE(
      Holds("ignored=0x$(sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status); "
            "[ $((ignored & 0x7fffffff)) = 0 ]"));

  signal(SIGPIPE, old);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(ProcessTest, SignalsThatSayWhatToLogWaitForTheProgram) {
  // Without a shell between: it unblocks all.
  const std::vector<std::string> arguments = {"-q", "^SigBlk:[[:space:]]*0*a00$",
                                              "/proc/self/status"};
  auto process = Process::Spawn("/bin/grep", arguments, {.lifeline = lifeline_.get()});
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ(Await(*process).exit_code, 0);
}

TEST_F(ProcessTest, HasAGroupOfItsOwn) {
  const Process process = Shell("exec cat <&3");

  EXPECT_EQ(getpgid(process.pid()), process.pid());
}

TEST_F(ProcessTest, DestructionKillsAndReaps) {
  pid_t pid = -1;
  {
    const Process process = Shell("trap '' TERM; exec cat <&3");
    pid = process.pid();
    ASSERT_EQ(kill(pid, 0), 0);
  }

  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(ProcessTest, AMovedProcessIsKilledByItsNewOwnerOnly) {
  std::optional<Process> owner;
  {
    Process process = Shell("exec cat <&3");
    owner.emplace(std::move(process));
  }
  EXPECT_FALSE(owner->Reap().has_value()) << "it was killed";
  EXPECT_EQ(kill(owner->pid(), 0), 0);
}

}  // namespace
}  // namespace tiffin::gateway
