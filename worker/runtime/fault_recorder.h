#pragma once

#include <cstddef>
#include <memory>

#include "common/session/executing_page.h"

namespace tiffin::worker {

// Writes on the page that this process ends by its own doing: a fault of its own (SIGSEGV, SIGBUS,
// SIGFPE, SIGILL), abort(), or exit() while calls execute. A signal that somebody sent is none.
// Whatever these signals did before, they still do afterwards. One at a time in a process, for
// signals' handlers are the process's; destruction puts the handlers before back.
class FaultRecorder {
 public:
  // `page` outlives it.
  explicit FaultRecorder(session::ExecutingPage& page);
  ~FaultRecorder();
  FaultRecorder(const FaultRecorder&) = delete;
  FaultRecorder& operator=(const FaultRecorder&) = delete;
};

// A stack of its own for the calling thread's signal handlers: without one a thread that has used
// its stack up dies before anything can be recorded. Destroyed by the thread that made it.
class SignalStack {
 public:
  SignalStack();
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  std::unique_ptr<std::byte[]> memory_;
};

}  // namespace tiffin::worker
