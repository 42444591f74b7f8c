#include "gateway/supervisor/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST(RestartBackoffTest, DoublesFromATenthOfASecondToFive) {
  EXPECT_EQ(RestartBackoff(1), absl::Milliseconds(100));
  EXPECT_EQ(RestartBackoff(2), absl::Milliseconds(200));
  EXPECT_EQ(RestartBackoff(3), absl::Milliseconds(400));
  EXPECT_EQ(RestartBackoff(6), absl::Milliseconds(3200));
  EXPECT_EQ(RestartBackoff(7), absl::Seconds(5));
  EXPECT_EQ(RestartBackoff(1'000'000), absl::Seconds(5));
}

// Scripts find the arguments `--listen unix:PATH --lifeline-fd 3`.
constexpr char kMakeSockets[] = R"(path=${2#unix:}; : > "$path"; : > "$path.fd"; )";
// Until the gateway is gone, or a signal comes.
constexpr char kServe[] = "exec cat <&3";

class RecordingObserver : public WorkerObserver {
 public:
  struct Exit {
    std::string text;
    std::optional<int> exit_code;
    bool had_served;
  };
  void OnStarted(pid_t pid) override { pids.push_back(pid); }
  void OnListening(const std::string& path) override { paths.push_back(path); }
  void OnExited(const Process::Ending& ending, bool had_served) override {
    exits.push_back({ending.text, ending.exit_code, had_served});
  }

  // On the loop's thread.
  std::vector<pid_t> pids;
  std::vector<std::string> paths;
  std::vector<Exit> exits;
};

// The supervisor's clock stands still unless the test moves it.
class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() {
    loop_.Do([&] {
      auto made = Supervisor::Create(loop_.loop(), watcher_, folder_.path());
      EXPECT_TRUE(made.ok()) << made.status();
      supervisor_ = *std::move(made);
    });
  }
  ~SupervisorTest() override {
    loop_.Do([&] { supervisor_.reset(); });
  }

  void StartScript(const std::string& script,
                   absl::Duration start_timeout = absl::InfiniteDuration()) {
    StartProgram("/bin/sh", {"-c", script, "worker"}, start_timeout);
  }
  void StartProgram(const std::string& program, std::vector<std::string> arguments,
                    absl::Duration start_timeout = absl::InfiniteDuration()) {
    loop_.Do([&] {
      supervisor_->Start({.name = "test.worker",
                          .program = program,
                          .arguments = std::move(arguments),
                          .start_timeout = start_timeout},
                         observer_);
    });
  }
  void Tick(absl::Duration by) {
    clock_.Advance(by);
    loop_.RunTimers();
  }
  [[nodiscard]] bool AwaitListening(size_t times) {
    return loop_.Await([&] { return observer_.paths.size() == times; });
  }
  [[nodiscard]] bool AwaitExits(size_t times) {
    return loop_.Await([&] { return observer_.exits.size() == times; });
  }
  std::vector<RecordingObserver::Exit> Exits() {
    return loop_.Do([&] { return observer_.exits; });
  }
  std::vector<std::string> Paths() {
    return loop_.Do([&] { return observer_.paths; });
  }
  // How many processes of ours run or wait to be reaped.
  static bool HasChildren() { return waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG | WNOWAIT) == 0; }

  TemporaryFolder folder_;
  ManualClock clock_;
  RecordingObserver observer_;
  Watcher watcher_;
  LoopThread loop_{clock_};
  std::unique_ptr<Supervisor> supervisor_;
};

TEST_F(SupervisorTest, TellsWhenAWorkerListens) {
  StartScript(std::string(kMakeSockets) + kServe);

  ASSERT_TRUE(AwaitListening(1));

  EXPECT_THAT(Paths().front(), StartsWith(folder_.path() + "/"));
  EXPECT_TRUE(fs::exists(Paths().front()));
}

TEST_F(SupervisorTest, TheDescriptorSocketIsWhatCounts) {
  StartScript(R"(path=${2#unix:}; : > "$path"; : > "$path.other"; : > "$path.fd2"; exit 4)");

  ASSERT_TRUE(AwaitExits(1));

  EXPECT_TRUE(Paths().empty());
}

TEST_F(SupervisorTest, TellsHowAWorkerEndedBeforeItListened) {
  StartScript("exit 2");

  ASSERT_TRUE(AwaitExits(1));

  EXPECT_EQ(Exits().front().text, "exit code 2");
  EXPECT_EQ(Exits().front().exit_code, 2);
  EXPECT_FALSE(Exits().front().had_served);
}

TEST_F(SupervisorTest, AWorkerThatHadServedStartsAgainAtOnceOnAnotherPath) {
  StartScript(std::string(kMakeSockets) + kServe);
  for (size_t life = 1; life <= 3; ++life) {
    ASSERT_TRUE(AwaitListening(life));
    loop_.Do([&] {
      supervisor_->MarkServed(observer_.paths.back());
      supervisor_->Replace(observer_.paths.back());
    });
    ASSERT_TRUE(AwaitExits(life));
    EXPECT_EQ(Exits().back().text, "signal 9 (Killed)");
    EXPECT_TRUE(Exits().back().had_served);
  }
  ASSERT_TRUE(AwaitListening(4));  // The clock stands still: no backoff.

  EXPECT_EQ(loop_.Do([&] { return observer_.pids.size(); }), 4);
  const std::vector<std::string> paths = Paths();
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), paths.size());
}

TEST_F(SupervisorTest, LateNewsOfALifeThatHasEndedDoesNotTouchTheNext) {
  StartScript(std::string(kMakeSockets) + kServe);
  ASSERT_TRUE(AwaitListening(1));
  loop_.Do([&] {
    supervisor_->MarkServed(observer_.paths.front());
    EXPECT_TRUE(supervisor_->Replace(observer_.paths.front()));
    EXPECT_FALSE(supervisor_->Replace(observer_.paths.front())) << "once is enough";
  });
  ASSERT_TRUE(AwaitListening(2));

  loop_.Do([&] {  // As a second loop would, which noticed the same later.
    supervisor_->MarkServed(observer_.paths.front());
    EXPECT_FALSE(supervisor_->Replace(observer_.paths.front()));
  });
  loop_.Do([&] { supervisor_->Replace(observer_.paths.back()); });

  ASSERT_TRUE(AwaitExits(2));
  EXPECT_THAT(Exits(), SizeIs(2));
  EXPECT_FALSE(Exits().back().had_served) << "the first life's session counted for the second";
}

TEST_F(SupervisorTest, WhatADeadWorkerLeftIsRemoved) {
  StartScript(std::string(kMakeSockets) + kServe);
  ASSERT_TRUE(AwaitListening(1));
  loop_.Do([&] { supervisor_->Replace(observer_.paths.back()); });

  ASSERT_TRUE(AwaitExits(1));

  EXPECT_FALSE(fs::exists(Paths().front()));
  EXPECT_FALSE(fs::exists(Paths().front() + ".fd"));
}

TEST_F(SupervisorTest, AWorkerThatDiesBeforeItServesWaitsLongerEachTime) {
  StartScript("exit 1");
  ASSERT_TRUE(AwaitExits(1));
  for (int deaths = 1; deaths <= 4; ++deaths) {
    Tick(RestartBackoff(deaths) - absl::Milliseconds(1));
    EXPECT_THAT(Exits(), SizeIs(static_cast<size_t>(deaths))) << "started too early";

    Tick(absl::Milliseconds(1));

    ASSERT_TRUE(AwaitExits(static_cast<size_t>(deaths) + 1)) << "not started again";
  }
}

TEST_F(SupervisorTest, ServingStartsTheBackoffAnew) {
  const fs::path serve = fs::path(folder_.path()) / "serve";
  StartScript("[ -e " + serve.native() + " ] || exit 1; " + kMakeSockets + kServe);
  ASSERT_TRUE(AwaitExits(1));
  Tick(absl::Milliseconds(100));
  ASSERT_TRUE(AwaitExits(2));
  fs::create_directory(serve);
  Tick(absl::Milliseconds(200));
  ASSERT_TRUE(AwaitListening(1));
  loop_.Do([&] { supervisor_->MarkServed(observer_.paths.back()); });
  fs::remove(serve);

  loop_.Do([&] { supervisor_->Replace(observer_.paths.back()); });

  ASSERT_TRUE(AwaitExits(4));  // At once again, and dead again before it served.
  Tick(absl::Milliseconds(100));
  EXPECT_TRUE(AwaitExits(5)) << "the backoff went on from where it was";
}

TEST_F(SupervisorTest, AProgramThatIsNotThereIsTriedAgain) {
  StartProgram("/nowhere/worker", {});
  ASSERT_TRUE(AwaitExits(1));
  EXPECT_THAT(Exits().front().text, HasSubstr("could not be started"));
  EXPECT_FALSE(Exits().front().had_served);

  Tick(absl::Milliseconds(100));

  EXPECT_TRUE(AwaitExits(2));
}

// As one does that was stopped.
TEST_F(SupervisorTest, AWorkerThatDoesNotListenInTimeIsReplacedWithABackoff) {
  constexpr absl::Duration kLimit = absl::Seconds(30);
  StartScript("kill -STOP $$", kLimit);
  for (size_t life = 1; life <= 3; ++life) {
    Tick(kLimit - absl::Milliseconds(1));
    EXPECT_THAT(Exits(), SizeIs(life - 1)) << "killed too early";

    Tick(absl::Milliseconds(1));

    ASSERT_TRUE(AwaitExits(life));
    EXPECT_EQ(Exits().back().text, "signal 9 (Killed)");
    EXPECT_FALSE(Exits().back().had_served);
    const size_t started = life + 1;
    Tick(RestartBackoff(static_cast<int>(life)));
    ASSERT_TRUE(loop_.Await([&] { return observer_.pids.size() == started; }));
  }
}

TEST_F(SupervisorTest, OneThatListensHasStartedInTime) {
  StartScript(std::string(kMakeSockets) + kServe, absl::Seconds(30));
  ASSERT_TRUE(AwaitListening(1));

  Tick(absl::Seconds(30));

  EXPECT_TRUE(loop_.Do([&] { return supervisor_->Replace(observer_.paths.front()); }))
      << "it was killed already";
}

// What the clock says of a start through which the supervisor slept, the worker may have slept too.
TEST_F(SupervisorTest, ASupervisorThatSleptGivesTheWholeTimeAgain) {
  constexpr absl::Duration kLimit = absl::Seconds(30);
  StartScript("kill -STOP $$", kLimit);
  Tick(kLimit + absl::Seconds(1));
  Tick(kLimit - absl::Milliseconds(1));
  EXPECT_TRUE(Exits().empty());

  Tick(absl::Milliseconds(1));

  EXPECT_TRUE(AwaitExits(1));
}

TEST_F(SupervisorTest, WorkersStartAtTheSameTime) {
  // Each waits for the other's socket.
  const std::string both = std::string(kMakeSockets) + "while [ $(ls " + folder_.path() +
                           "/*.fd | wc -l) -lt 2 ]; do :; done; " + kServe;
  StartScript(both);
  StartScript(both);

  EXPECT_TRUE(AwaitListening(2));
}

TEST_F(SupervisorTest, StopEndsWorkersAndTellsWhenAllAreReaped) {
  StartScript(std::string(kMakeSockets) + kServe);
  StartScript(std::string(kMakeSockets) + kServe);
  ASSERT_TRUE(AwaitListening(2));
  bool stopped = false;

  loop_.Do([&] { supervisor_->Stop(absl::Seconds(5), [&] { stopped = true; }); });

  ASSERT_TRUE(loop_.Await([&] { return stopped; }));
  EXPECT_THAT(Exits(), SizeIs(2));
  EXPECT_THAT(Exits().front().text, HasSubstr("signal 15"));
  EXPECT_FALSE(HasChildren());
}

TEST_F(SupervisorTest, StopKillsWhatIgnoresItAfterTheGrace) {
  StartScript(std::string("trap '' TERM; ") + kMakeSockets + kServe);
  ASSERT_TRUE(AwaitListening(1));
  bool stopped = false;
  loop_.Do([&] { supervisor_->Stop(absl::Seconds(5), [&] { stopped = true; }); });
  Tick(absl::Seconds(4));
  EXPECT_FALSE(loop_.Do([&] { return stopped; }));

  Tick(absl::Seconds(1));

  ASSERT_TRUE(loop_.Await([&] { return stopped; }));
  EXPECT_EQ(Exits().front().text, "signal 9 (Killed)");
}

TEST_F(SupervisorTest, WhoIsBeingStoppedIsNotReplaced) {
  StartScript(std::string("trap '' TERM; ") + kMakeSockets + kServe);
  ASSERT_TRUE(AwaitListening(1));

  loop_.Do([&] {
    supervisor_->Stop(absl::Seconds(5), [] {});
    EXPECT_FALSE(supervisor_->Replace(observer_.paths.front()));
  });
}

TEST_F(SupervisorTest, StopStartsNobodyAgain) {
  StartScript("exit 1");
  ASSERT_TRUE(AwaitExits(1));
  bool stopped = false;
  loop_.Do([&] { supervisor_->Stop(absl::Seconds(5), [&] { stopped = true; }); });
  EXPECT_TRUE(loop_.Do([&] { return stopped; })) << "nobody runs";

  Tick(absl::Seconds(60));

  EXPECT_THAT(Exits(), SizeIs(1));
  EXPECT_FALSE(HasChildren());
}

TEST_F(SupervisorTest, StopRightAfterAFailedStartStartsNobodyAgain) {
  bool stopped = false;
  loop_.Do([&] {
    supervisor_->Start({.name = "w", .program = "/nowhere/worker", .arguments = {}}, observer_);
    supervisor_->Stop(absl::Seconds(5), [&] { stopped = true; });
  });

  Tick(absl::Seconds(60));

  EXPECT_TRUE(loop_.Do([&] { return stopped; }));
  EXPECT_TRUE(Exits().empty());
}

TEST_F(SupervisorTest, DestructionKillsWhatStillRuns) {
  StartScript(std::string("trap '' TERM; ") + kMakeSockets + kServe);
  ASSERT_TRUE(AwaitListening(1));

  loop_.Do([&] { supervisor_.reset(); });

  EXPECT_FALSE(HasChildren());
}

// The watcher has handed the news over, and the loop has not looked at them yet.
TEST_F(SupervisorTest, NewsThatComeAfterDestructionAreDropped) {
  loop_.Do([&] {
    supervisor_->Start({.name = "w", .program = "/bin/false", .arguments = {}}, observer_);
    siginfo_t info;
    ASSERT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    for (int i = 0; i < 2; ++i) {  // The watcher has one thread: what was ready before is handled.
      const UniqueFd event(eventfd(1, EFD_CLOEXEC));
      absl::Notification seen;
      const auto watch = watcher_.Add(event.get(), Watcher::Interest::kReadable, [&] {
        seen.Notify();
        return false;
      });
      ASSERT_TRUE(seen.WaitForNotificationWithTimeout(kPatience));
    }
    supervisor_.reset();
  });
  loop_.Do([] {});

  EXPECT_TRUE(Exits().empty());
}

TEST_F(SupervisorTest, AFolderThatIsNotThereIsAnError) {
  loop_.Do([&] {
    const auto made =
        Supervisor::Create(loop_.loop(), watcher_, fs::path(folder_.path()) / "nowhere");
    ASSERT_FALSE(made.ok());
    EXPECT_THAT(std::string(made.status().message()), HasSubstr("nowhere"));
  });
}

}  // namespace
}  // namespace tiffin::gateway
