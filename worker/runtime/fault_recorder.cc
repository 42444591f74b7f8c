#include "worker/runtime/fault_recorder.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>

namespace tiffin::worker {
namespace {

constexpr std::array kFaults = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kSignalStackBytes = 64 << 10;

// A signal's handler is given nothing else to find it by.
std::atomic<session::ExecutingPage*> recorded_page = nullptr;
std::array<struct sigaction, kFaults.size()> actions_before;

// By the kernel, or by abort().
bool IsOwn(int signal, const siginfo_t& info) {
  return info.si_code > 0 ||
         (signal == SIGABRT && info.si_code == SI_TKILL && info.si_pid == getpid());
}

void OnFault(int signal, siginfo_t* info, void* /*context*/) {
  session::ExecutingPage* page = recorded_page.load();
  const bool own = IsOwn(signal, *info);
  if (own && page != nullptr) page->RecordFault(static_cast<uint32_t>(signal));
  for (size_t i = 0; i < kFaults.size(); ++i) {
    if (kFaults[i] == signal) sigaction(signal, &actions_before[i], nullptr);
  }
  // A fault comes again as soon as this returns; abort() raises again by itself. What somebody sent
  // has to be sent on.
  if (info->si_code <= 0) raise(signal);
}

void OnExit() {
  session::ExecutingPage* page = recorded_page.load();
  if (page != nullptr && page->executing()) page->RecordFault(session::ExecutingPage::kExited);
}

}  // namespace

FaultRecorder::FaultRecorder(session::ExecutingPage& page) {
  recorded_page = &page;
  std::atexit(OnExit);
  struct sigaction action {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < kFaults.size(); ++i) sigaction(kFaults[i], &action, &actions_before[i]);
}

FaultRecorder::~FaultRecorder() {
  for (size_t i = 0; i < kFaults.size(); ++i) sigaction(kFaults[i], &actions_before[i], nullptr);
  recorded_page = nullptr;
}

SignalStack::SignalStack() : memory_(std::make_unique<std::byte[]>(kSignalStackBytes)) {
  const stack_t stack{.ss_sp = memory_.get(), .ss_flags = 0, .ss_size = kSignalStackBytes};
  sigaltstack(&stack, nullptr);
}

SignalStack::~SignalStack() {
  const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  sigaltstack(&none, nullptr);
}

}  // namespace tiffin::worker
