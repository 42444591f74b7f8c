#pragma once

#include <signal.h>

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/unique_fd.h"
#include "grpcpp/client_context.h"

namespace tiffin::gateway::client {

// SIGINT and SIGTERM while calls are under way: they cancel the call instead of ending the process,
// so that the server hears of it. Must be made before gRPC has threads, which would take the
// signals. Owned by a command; destruction gives the signals back.
class Interrupts {
 public:
  static absl::StatusOr<std::unique_ptr<Interrupts>> Create();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // The call to cancel, from now on and at once if a signal came already; null: none.
  void Watch(grpc::ClientContext* call);
  // The signal that came; 0: none.
  int signal() const;

 private:
  Interrupts() = default;
  void Run();

  sigset_t before_{};
  UniqueFd signals_;
  UniqueFd end_;
  mutable absl::Mutex mutex_;
  int signal_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace tiffin::gateway::client
