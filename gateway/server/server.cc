#include "gateway/server/server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/unique_fd.h"
#include "gateway/api/http/server.h"
#include "gateway/metrics/metrics.h"
#include "gateway/supervisor/runtime_dir.h"
#include "google/protobuf/stubs/logging.h"
#include "spdlog/spdlog.h"

namespace tiffin::gateway {
namespace {

// How long requests under way may take to complete once a signal came.
constexpr absl::Duration kDrainGrace = absl::Seconds(30);
// For replies to be written; streams that never end by themselves (Watch) are cut after it.
constexpr absl::Duration kCloseGrace = absl::Milliseconds(200);
constexpr absl::Duration kWorkerGrace = absl::Seconds(2);

// Protobuf prints what is wrong with a client's message on stderr; the client is told anyway.
void LogProtobuf(google::protobuf::LogLevel /*level*/, const char* /*file*/, int /*line*/,
                 const std::string& message) {
  spdlog::debug("protobuf: {}", message);
}

// SIGTERM and SIGINT, for every thread started from here on, through a descriptor.
absl::StatusOr<UniqueFd> BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd descriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor.valid()) return absl::InternalError("signalfd failed");
  return descriptor;
}

// The way from start to end. On the loop's thread but for Wait.
class Lifecycle {
 public:
  Lifecycle(Loop& loop, ServingLoop& serving) : loop_(loop), serving_(serving) {}

  void OnStarted(absl::StatusOr<std::string> address) {
    if (!address.ok()) {
      status_ = address.status();
      End();
      return;
    }
    serving_now_ = true;
    spdlog::info("serving on {}", *address);
  }

  void OnSignal() {
    if (draining_ || !serving_now_) {
      serving_.AbandonStart();
      End();
      return;
    }
    draining_ = true;
    deadline_ = loop_.At(loop_.now() + kDrainGrace, [this] { End(); });
    serving_.Drain([this] { End(); });
  }

  // From the main thread: until the server is to be closed.
  void Wait() { ended_.WaitForNotification(); }
  absl::Status status() const { return status_; }

 private:
  void End() {
    deadline_.Cancel();
    if (!ended_.HasBeenNotified()) ended_.Notify();
  }

  Loop& loop_;
  ServingLoop& serving_;
  bool serving_now_ = false;
  bool draining_ = false;
  absl::Status status_;
  Loop::Timer deadline_;
  absl::Notification ended_;
};

}  // namespace

absl::Status RunServer(ServerOptions options) {
  google::protobuf::SetLogHandler(LogProtobuf);
  ASSIGN_OR_RETURN(const UniqueFd signals, BlockSignals());
  ASSIGN_OR_RETURN(const RuntimeDir runtime_dir, RuntimeDir::Create(options.runtime_base));
  options.serving.socket_directory = runtime_dir.path();

  metrics::Metrics metrics;  // First: everything counts by it.
  Watcher watcher;
  RpcServer rpc_server;
  http::Server http_server;
  Loop loop(rpc_server.queue(), Clock::Monotonic());
  Lifecycle* lifecycle = nullptr;
  ServingLoop serving(loop, watcher, rpc_server, http_server, metrics, std::move(options.serving),
                      [&lifecycle](absl::StatusOr<std::string> address) {
                        lifecycle->OnStarted(std::move(address));
                      });
  Lifecycle life(loop, serving);
  lifecycle = &life;
  auto signal_watch =
      watcher.Add(signals.get(), Watcher::Interest::kReadable, [&loop, &life, &signals] {
        signalfd_siginfo info;
        while (read(signals.get(), &info, sizeof(info)) == sizeof(info)) {
          loop.Post([&life] { life.OnSignal(); });
        }
        return true;
      });
  loop.Post([&serving] { serving.Start(); });
  std::thread loop_thread([&loop] { loop.Run(); });

  life.Wait();
  http_server.Shutdown(kCloseGrace);
  rpc_server.Shutdown(kCloseGrace);
  absl::Notification stopped;
  loop.Post([&] { serving.StopWorkers(kWorkerGrace, [&stopped] { stopped.Notify(); }); });
  stopped.WaitForNotification();
  signal_watch.reset();
  loop.Post([&] {
    serving.Close();
    loop.Close();
    rpc_server.queue().Shutdown();
  });
  loop_thread.join();
  return life.status();
}

}  // namespace tiffin::gateway
