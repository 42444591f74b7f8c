#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <random>
#include <thread>
#include <utility>

#include "CLI/CLI.hpp"
#include "common/async/probe.h"
#include "common/async/rpc_server.h"
#include "common/async/watcher.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/example.h"
#include "worker/runtime/executor.h"
#include "worker/runtime/options.h"
#include "worker/runtime/worker_server.h"

namespace tiffin::worker {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr absl::Duration kProbeTimeout = absl::Seconds(1);

int Report(std::string_view program, const absl::Status& status, int code) {
  std::cerr << program << ": " << status.message() << std::endl;
  return code;
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Serves until SIGTERM, or SIGINT when no gateway started this worker (a terminal sends that to the
// gateway's whole process group, and the gateway ends its workers itself).
absl::Status Serve(const WorkerOptions& options, Backend& backend,
                   const WorkerDescription& description) {
  constexpr std::string_view kUnix = "unix:";
  if (!options.listen.starts_with(kUnix) || options.listen.size() == kUnix.size()) {
    return absl::InvalidArgumentError(StrCat("--listen ", options.listen, ": must be unix:PATH"));
  }
  const std::string path = options.listen.substr(kUnix.size());
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Before any thread starts.

  const Clock& clock = Clock::Monotonic();
  Watcher watcher;
  CallQueue queue;
  RpcServer rpc_server;
  Loop loop(rpc_server.queue(), clock);
  std::unique_ptr<Watcher::Watch> lifeline;
  if (options.lifeline_fd >= 0) {
    lifeline = watcher.Add(options.lifeline_fd, Watcher::Interest::kReadable, [] {
      // The gateway is gone: nobody waits for anything, and the kernel frees the rest.
      _exit(kExitFailed);
      return false;
    });
  }
  std::random_device random;
  WorkerParts parts{
      .loop = loop,
      .watcher = watcher,
      .queue = queue,
      .signature = backend.signature(),
      .description = description,
      .incarnation = (uint64_t{random()} << 32) | random(),
      .limits = {.total = shm::LimitByCgroup(options.segment_limit)},
  };
  Executor executor(backend, queue, clock);
  WorkerServer server(parts, executor);
  RETURN_IF_ERROR(rpc_server.Open(options.listen, loop, {&server}).status());
  const absl::Status listening = server.Listen(StrCat(path, ".fd"));
  std::thread loop_thread([&] { loop.Run(); });

  int signal = listening.ok() ? 0 : SIGTERM;
  while (signal != SIGTERM && (signal != SIGINT || options.lifeline_fd >= 0)) {
    sigwait(&signals, &signal);
  }

  loop.Post([&] { server.Close(); });
  rpc_server.Shutdown(absl::ZeroDuration());
  loop.Post([&] {
    loop.Close();
    rpc_server.queue().Shutdown();
  });
  loop_thread.join();
  return listening;
}

absl::StatusOr<std::unique_ptr<Backend>> Load(const BackendFactory& factory,
                                              const WorkerSubject& subject) {
  ASSIGN_OR_RETURN(std::unique_ptr<Backend> backend, factory(subject.config));
  if (backend->signature().empty()) return absl::InternalError("the backend has no method");
  return backend;
}

void AddFlags(CLI::App& app, WorkerOptions& options) {
  auto* service = app.add_option("--service", options.service_file, "The service file");
  app.add_option("--runner", options.runner, "The runner of the service file to be")
      ->needs(service);
  auto* model = app.add_option("--model", options.model_dir,
                               "A model's folder, instead of a service file (with --describe)");
  model->excludes(service);
  app.add_option("--store", options.store, "The model store (default: $TIFFIN_STORE)");
  app.add_option("--listen", options.listen, "Where to serve: unix:PATH");
  app.add_option("--threads", options.threads, "Threads of one execution")
      ->check(CLI::Range(1, 1024));
  app.add_option("--lifeline-fd", options.lifeline_fd, "Exit when this descriptor's peer is gone");
  app.add_option("--segment-limit", options.segment_limit, "Bytes of shared memory for a session");
  auto* describe =
      app.add_flag("--describe", options.describe, "Load, print the signature as JSON, and exit");
  model->needs(describe);
  app.add_option("--probe", options.probe_address,
                 "Ask the worker at this address for its health, and exit 0 or 1");
  app.add_option("probe_service", options.probe_service, "What to probe: liveness, or nothing");
}

}  // namespace

int WorkerMain(int argc, char** argv, std::string_view backend_name,
               const BackendFactory& factory) {
  const std::string program = StrCat("tiffin-worker-", backend_name);
  WorkerOptions options;
  CLI::App app(StrCat("Runs one replica of a '", backend_name, "' runner."), program);
  AddFlags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (!options.probe_address.empty()) {
    const absl::Status health =
        ProbeHealth(options.probe_address, options.probe_service, kProbeTimeout);
    return health.ok() ? 0 : Report(program, health, kExitFailed);
  }
  const bool has_runner = !options.service_file.empty() && !options.runner.empty();
  if (!has_runner && options.model_dir.empty()) {
    return Report(program,
                  absl::InvalidArgumentError("give --service FILE --runner NAME; see --help"),
                  kExitUsage);
  }
  const absl::StatusOr<WorkerSubject> subject = ResolveSubject(options, backend_name);
  if (!subject.ok()) return Report(program, subject.status(), kExitUsage);
  const absl::StatusOr<std::unique_ptr<Backend>> backend = Load(factory, *subject);
  if (!backend.ok()) return Report(program, backend.status(), kExitUsage);
  const WorkerDescription description{.backend = std::string(backend_name),
                                      .model = subject->model,
                                      .model_version = subject->model_version,
                                      .model_digest = subject->model_digest,
                                      .methods = (*backend)->signature()};
  if (options.describe) {
    if (!options.model_dir.empty()) {
      if (const absl::Status ran = RunExample(**backend, subject->example); !ran.ok()) {
        return Report(program, ran, kExitUsage);
      }
    }
    std::cout << nlohmann::json(description).dump() << std::endl;
    return 0;
  }
  const absl::Status served = Serve(options, **backend, description);
  return served.ok() ? 0 : Report(program, served, kExitFailed);
}

}  // namespace tiffin::worker
