#include "gateway/server/server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/async/loop.h"
#include "common/async/rpc_server.h"
#include "common/async/watcher.h"
#include "common/clock.h"
#include "common/log/grpc_log.h"
#include "common/log/log.h"
#include "common/log/throttle.h"
#include "common/security/loopback.h"
#include "common/security/reloader.h"
#include "common/security/server_tls.h"
#include "common/security/tokens.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/unique_fd.h"
#include "gateway/api/http/server.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/metrics/metrics.h"
#include "gateway/server/loop_thread.h"
#include "gateway/server/server_core.h"
#include "gateway/supervisor/runtime_dir.h"
#include "google/protobuf/stubs/logging.h"

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
  log::Write(log::Level::kDebug, "protobuf", StrCat("protobuf: ", message));
}

// The signals that mean something, for every thread started from here on, through a descriptor.
absl::StatusOr<UniqueFd> BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd descriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor.valid()) return absl::InternalError("signalfd failed");
  return descriptor;
}

// The way from start to end. On the first loop's thread but for Wait.
class Lifecycle {
 public:
  Lifecycle(Loop& loop, ServerCore& core, log::Log& log) : loop_(loop), core_(core), log_(log) {}

  void OnStarted(absl::StatusOr<std::string> address) {
    if (!address.ok()) {
      status_ = address.status();
      End();
      return;
    }
    serving_now_ = true;
    log::Write(log::Level::kInfo, "serving", StrCat("serving on ", *address),
               {{"address", *address}});
  }

  void OnSignal(uint32_t signal) {
    if (signal == SIGUSR1 || signal == SIGUSR2) {
      Debug(signal == SIGUSR1 ? Detail::kMore : Detail::kAsConfigured);
    } else {
      OnStop();
    }
  }

  // From the main thread: until the server is to be closed.
  void Wait() { ended_.WaitForNotification(); }
  absl::Status status() const { return status_; }

 private:
  void OnStop() {
    if (!serving_now_) {
      core_.AbandonStart();
      End();
    } else if (draining_) {
      CutShort();
    } else {
      Drain();
    }
  }

  void Drain() {
    draining_ = true;
    deadline_ = loop_.At(loop_.now() + kDrainGrace, [this] { CutShort(); });
    core_.Drain([this] { End(); });
  }

  // Without waiting for what is under way.
  void CutShort() {
    if (std::exchange(cut_short_, true)) return;
    core_.CutShort([this] { End(); });
  }

  void Debug(Detail detail) {
    if (detail == Detail::kMore) {
      log_.Set(std::min(log_.level(), log::Level::kDebug));
    } else {
      log_.Restore();
    }
    log::Write(log::Level::kInfo, "log_level",
               detail == Detail::kMore ? "logging debug, by SIGUSR1; SIGUSR2 ends it"
                                       : "logging as configured, by SIGUSR2");
    core_.SetWorkerDetail(detail);
  }

  void End() {
    deadline_.Cancel();
    if (!ended_.HasBeenNotified()) ended_.Notify();
  }

  Loop& loop_;
  ServerCore& core_;
  log::Log& log_;
  bool serving_now_ = false;
  bool draining_ = false;
  bool cut_short_ = false;
  absl::Status status_;
  Loop::Timer deadline_;
  absl::Notification ended_;
};

// Says, now and then, that connections are turned away. On the listener's thread.
class TurnedAwayLog {
 public:
  explicit TurnedAwayLog(int limit) : limit_(limit) {}

  void Add() {
    const std::optional<int64_t> count = turned_away_.Count();
    if (!count.has_value()) return;
    log::Write(log::Level::kWarning, "connections_turned_away",
               StrCat("gRPC: as many connections as may be, ", limit_, ", are open; closed ",
                      *count, " more so far; --grpc-connections allows more"),
               {{"limit", limit_}, {"turned_away", *count}});
  }

 private:
  const int limit_;
  log::Throttle turned_away_{Clock::Monotonic()};
};

// Whoever sees the traffic with workers beyond this machine would have the token.
void WarnOfPlaintext(const ServerOptions& options) {
  if (options.workers.token.empty() || !options.workers.tls.ca.empty()) return;
  std::string beyond;
  for (const RunnerSetup& setup : options.serving.runners) {
    for (const config::Endpoint& endpoint : setup.endpoints) {
      if (endpoint.kind == config::Endpoint::Kind::kUnix ||
          security::IsLoopback(StrCat(endpoint.host, ":", endpoint.port))) {
        continue;
      }
      beyond += StrCat(beyond.empty() ? "" : ", ", ToString(endpoint));
    }
  }
  if (beyond.empty()) return;
  log::Write(log::Level::kWarning, "worker_token_in_plaintext",
             StrCat("--worker-token goes unencrypted over the network, to the workers at ", beyond,
                    ": whoever sees the traffic can use it; give --worker-ca, and the workers "
                    "--tls-certificate and --tls-key"),
             {{"endpoints", beyond}});
}

// What clients and the server show to one another, kept as new as its files.
struct Secrets {
  static absl::StatusOr<Secrets> Load(const ServerOptions& options) {
    Secrets secrets;
    std::vector<security::Reloader::Look> looks;
    if (!options.tls.certificate.empty()) {
      ASSIGN_OR_RETURN(secrets.tls, security::ServerTls::Create(options.tls));
      looks.push_back([tls = secrets.tls.get()] { tls->Look(); });
    }
    if (!options.tokens.empty()) {
      ASSIGN_OR_RETURN(secrets.tokens, security::Tokens::Create(options.tokens));
      std::vector<std::string> services;
      for (const config::ServiceConfig& service : options.serving.services) {
        services.push_back(service.name);
      }
      secrets.tokens->WarnOfOthers(services);
      looks.push_back([tokens = secrets.tokens.get()] { tokens->Look(); });
    }
    if (!options.workers.tls.ca.empty() || !options.workers.token.empty()) {
      ASSIGN_OR_RETURN(secrets.workers, WorkerCredentials::Create(options.workers));
      WarnOfPlaintext(options);
      looks.push_back([workers = secrets.workers.get()] { workers->Look(); });
    }
    secrets.reloader = std::make_unique<security::Reloader>(std::move(looks));
    return secrets;
  }

  std::unique_ptr<security::ServerTls> tls;
  std::unique_ptr<security::Tokens> tokens;
  std::unique_ptr<WorkerCredentials> workers;
  std::unique_ptr<security::Reloader> reloader;  // Last: it uses the others.
};

}  // namespace

absl::Status RunServer(ServerOptions options, log::Log& log) {
  google::protobuf::SetLogHandler(LogProtobuf);
  log::WriteWhatGrpcSays();
  ASSIGN_OR_RETURN(const UniqueFd signals, BlockSignals());
  ASSIGN_OR_RETURN(const RuntimeDir runtime_dir, RuntimeDir::Create(options.runtime_base));
  options.serving.socket_directory = runtime_dir.path();
  std::unique_ptr<kserve::SharedMemory> client_memory;
  if (options.client_shared_memory) {
    ASSIGN_OR_RETURN(client_memory, kserve::SharedMemory::Create());
    options.serving.client_memory = client_memory.get();
  }

  ASSIGN_OR_RETURN(const Secrets secrets, Secrets::Load(options));
  options.serving.tls = secrets.tls.get();
  options.serving.tokens = secrets.tokens.get();
  options.serving.worker_credentials = secrets.workers.get();

  metrics::Metrics metrics;  // First: everything counts by it.
  const auto loop_count = static_cast<size_t>(options.loops);
  RpcServer rpc_server(loop_count, options.rpc_limits);
  TurnedAwayLog turned_away(options.rpc_limits.max_connections);
  rpc_server.OnTurnedAway([&turned_away] { turned_away.Add(); });
  http::Server http_server(options.http_limits);
  std::vector<std::unique_ptr<LoopThread>> loops;
  std::vector<ServerCore::LoopParts> parts;
  for (size_t i = 0; i < loop_count; ++i) {
    loops.push_back(std::make_unique<LoopThread>(rpc_server.queue(i), i));
    parts.push_back({.loop = loops[i]->loop(), .watcher = loops[i]->watcher()});
  }
  Loop& first = loops.front()->loop();
  Lifecycle* lifecycle = nullptr;
  ServerCore core(parts, rpc_server, http_server, metrics, std::move(options.serving),
                  [&lifecycle](absl::StatusOr<std::string> address) {
                    lifecycle->OnStarted(std::move(address));
                  });
  Lifecycle life(first, core, log);
  lifecycle = &life;
  auto signal_watch = loops.front()->watcher().Add(
      signals.get(), Watcher::Interest::kReadable, [&first, &life, &signals] {
        signalfd_siginfo info;
        while (read(signals.get(), &info, sizeof(info)) == sizeof(info)) {
          first.Post([&life, signal = info.ssi_signo] { life.OnSignal(signal); });
        }
        return true;
      });
  if (loop_count > 1) {
    log::Write(log::Level::kInfo, "loops", StrCat("running ", loop_count, " loops"),
               {{"loops", loop_count}});
  }
  first.Post([&core] { core.Start(); });
  for (const auto& loop : loops) loop->Start();

  life.Wait();
  http_server.Shutdown(kCloseGrace);
  rpc_server.Shutdown(kCloseGrace);
  absl::Notification stopped;
  first.Post([&] { core.StopWorkers(kWorkerGrace, [&stopped] { stopped.Notify(); }); });
  stopped.WaitForNotification();
  signal_watch.reset();
  for (size_t i = 0; i < loop_count; ++i) {
    loops[i]->Stop([&core, i] { core.Close(i); });
  }
  for (const auto& loop : loops) loop->Join();
  return life.status();
}

}  // namespace tiffin::gateway
