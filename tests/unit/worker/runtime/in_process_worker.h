#pragma once

#include <string>
#include <utility>

#include "common/async/rpc_server.h"
#include "common/async/watcher.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/executor.h"
#include "worker/runtime/worker_server.h"

namespace tiffin::worker {

// A worker as its program's main makes it, but in the test's process. Destruction ends it like
// SIGTERM does; executions under way must be able to end.
class InProcessWorker {
 public:
  // Serves `backend`, which outlives it, at `path`. `incoming`: bytes for inputs in pieces.
  InProcessWorker(std::string path, Backend& backend, shm::PoolLimits limits = {},
                  uint64_t incoming = uint64_t{1} << 30)
      : loop_(rpc_server_.queue()),
        executor_(backend, queue_, *page_, Clock::Monotonic()),
        description_{.backend = "controlled",
                     .model = "",
                     .model_digest = "",
                     .methods = backend.signature()},
        parts_{.loop = loop_.loop(),
               .watcher = watcher_,
               .executor = executor_,
               .page = *page_,
               .signature = backend.signature(),
               .description = description_,
               .incarnation = 1,
               .limits = limits,
               .incoming = ByteBudget(incoming)},
        server_(parts_) {
    loop_.Do([&] {
      const auto opened = rpc_server_.Open("unix:" + path, loop_.loop(), {&server_});
      EXPECT_TRUE(opened.ok()) << opened.status();
      const absl::Status listening = server_.Listen(path + ".fd");
      EXPECT_TRUE(listening.ok()) << listening;
    });
  }
  InProcessWorker(const InProcessWorker&) = delete;
  InProcessWorker& operator=(const InProcessWorker&) = delete;
  ~InProcessWorker() {
    CloseSessions();
    rpc_server_.Shutdown(absl::ZeroDuration());
    loop_.Stop();
  }

  // Ends all sessions, and takes no more; what executes goes on.
  void CloseSessions() {
    loop_.Do([&] { server_.Close(); });
  }

 private:
  const std::unique_ptr<session::ExecutingPage> page_ = session::ExecutingPage::Create(8).value();
  CallQueue queue_{Clock::Monotonic()};
  RpcServer rpc_server_;
  LoopThread loop_;
  Executor executor_;
  Watcher watcher_;  // After the loop and the executor, which its thread may still be in.
  const WorkerDescription description_;
  WorkerParts parts_;
  WorkerServer server_;
};

}  // namespace tiffin::worker
