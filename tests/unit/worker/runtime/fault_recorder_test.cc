#include "worker/runtime/fault_recorder.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include "gtest/gtest.h"
#include "tests/unit/sanitized.h"

namespace tiffin::worker {
namespace {

// How a process that records its faults ended, and what it recorded.
struct Ending {
  int signal = 0;  // 0: it exited.
  uint32_t fault = 0;
};

// What `happens` in a child, which the page is shared with.
Ending EndOf(const std::function<void(session::ExecutingPage&)>& happens) {
  const auto page = session::ExecutingPage::Create(1).value();
  auto segment = shm::ForeignSegment::Receive(UniqueFd(dup(page->fd())), page->size());
  const pid_t child = fork();
  if (child == 0) {
    const FaultRecorder recorder(*page);
    happens(*page);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const auto view = session::ExecutingPageView::Create(segment->Map().value());
  return {.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0, .fault = view->fault()};
}

void SendMyself(int signal) { kill(getpid(), signal); }

TEST(FaultRecorderTest, AFaultIsRecordedAndStillEndsTheProcess) {
  void* const guarded = mmap(nullptr, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const Ending ending =
      EndOf([&](session::ExecutingPage&) { *static_cast<volatile int*>(guarded) = 1; });
  munmap(guarded, 1);

  EXPECT_EQ(ending.fault, static_cast<uint32_t>(SIGSEGV));
  EXPECT_TRUE(kSanitized || ending.signal == SIGSEGV) << ending.signal;
}

TEST(FaultRecorderTest, AbortIsRecorded) {
  const Ending ending = EndOf([](session::ExecutingPage&) { std::abort(); });

  EXPECT_EQ(ending.fault, static_cast<uint32_t>(SIGABRT));
  EXPECT_EQ(ending.signal, SIGABRT);
}

TEST(FaultRecorderTest, ASignalThatSomebodySentIsNoFault) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGKILL, SIGTERM}) {
    const Ending ending = EndOf([&](session::ExecutingPage&) { SendMyself(signal); });

    EXPECT_EQ(ending.fault, 0U) << signal;
    EXPECT_TRUE(kSanitized || ending.signal == signal) << ending.signal;
  }
}

TEST(FaultRecorderTest, ExitIsRecordedWhileACallExecutes) {
  const Ending ending = EndOf([](session::ExecutingPage& page) {
    const auto listing = page.List({{{.session = 1, .call = 1}}});
    std::exit(1);
  });
  EXPECT_EQ(ending.fault, session::ExecutingPage::kExited);

  const Ending idle = EndOf([](session::ExecutingPage&) { std::exit(1); });
  EXPECT_EQ(idle.fault, 0U);
}

// Uses up whatever stack there is.
int Recurse(int depth) {
  volatile int frame = depth;
  return depth < 0 ? 0 : Recurse(depth + 1) + frame;
}

TEST(FaultRecorderTest, AStackThatIsUsedUpIsRecordedWithASignalStack) {
  if (kSanitized) return;  // They have stacks of their own for it.
  const Ending ending = EndOf([](session::ExecutingPage&) {
    std::thread([] {
      const SignalStack stack;
      Recurse(0);
    }).join();
  });

  EXPECT_EQ(ending.fault, static_cast<uint32_t>(SIGSEGV));
}

TEST(FaultRecorderTest, GivesTheHandlersBack) {
  struct sigaction before {};
  struct sigaction after {};
  sigaction(SIGSEGV, nullptr, &before);
  const auto page = session::ExecutingPage::Create(1).value();
  { const FaultRecorder recorder(*page); }

  sigaction(SIGSEGV, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace tiffin::worker
