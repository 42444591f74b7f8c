#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/synchronization/mutex.h"
#include "common/async/rpc_server.h"
#include "common/async/watcher.h"
#include "common/config/resources.h"
#include "common/environment.h"
#include "common/keys/schema.h"
#include "common/keys/worker_reference.h"
#include "common/log/flags.h"
#include "common/log/grpc_log.h"
#include "common/log/log.h"
#include "common/random_id.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/runtime/access.h"
#include "worker/runtime/backend.h"
#include "worker/runtime/confinement.h"
#include "worker/runtime/example.h"
#include "worker/runtime/executor.h"
#include "worker/runtime/fault_recorder.h"
#include "worker/runtime/measure.h"
#include "worker/runtime/options.h"
#include "worker/runtime/probe.h"
#include "worker/runtime/worker_server.h"

namespace tiffin::worker {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
// A worker says little.
constexpr size_t kLogQueue = 512;
// After it a gateway on TCP is asked whether it lives, which it has as long to answer.
constexpr absl::Duration kGatewaySilence = absl::Seconds(4);

int Report(std::string_view program, const absl::Status& status, int code) {
  std::cerr << program << ": " << status.message() << std::endl;
  return code;
}

// stdout, for the answer of this program alone: what an engine prints goes to stderr from here on.
class Answer {
 public:
  Answer() : out_(fdopen(dup(STDOUT_FILENO), "w")) { dup2(STDERR_FILENO, STDOUT_FILENO); }
  ~Answer() {
    if (out_ != nullptr) fclose(out_);
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  void Print(const nlohmann::json& json) const {
    if (out_ != nullptr) fputs(StrCat(json.dump(), "\n").c_str(), out_);
  }

 private:
  FILE* const out_;  // nullptr: there is no stdout.
};

// What must be in place before a model is loaded, which may take long: the end of the gateway ends
// this process, and signals wait for Serve instead of ending a thread of the engine's.
class Surroundings {
 public:
  static absl::StatusOr<std::unique_ptr<Surroundings>> Create(int lifeline_fd) {
    std::unique_ptr<Surroundings> made(new Surroundings());
    pthread_sigmask(SIG_BLOCK, &made->signals_, nullptr);
    if (lifeline_fd < 0) return made;
    if (fcntl(lifeline_fd, F_GETFD) < 0) {
      return absl::InvalidArgumentError(
          StrCat("--lifeline-fd ", lifeline_fd, ": no such descriptor is open"));
    }
    // What the watcher can't wait for would never tell an end.
    struct stat lifeline {};
    if (fstat(lifeline_fd, &lifeline) < 0 ||
        !(S_ISFIFO(lifeline.st_mode) || S_ISSOCK(lifeline.st_mode))) {
      return absl::InvalidArgumentError(
          StrCat("--lifeline-fd ", lifeline_fd, ": must be a pipe or a socket"));
    }
    made->lifeline_watcher_ = std::make_unique<Watcher>();
    made->lifeline_ = made->lifeline_watcher_->Add(lifeline_fd, Watcher::Interest::kReadable, [] {
      _exit(kExitFailed);  // Nobody waits for anything, and the kernel frees the rest.
      return false;
    });
    return made;
  }

  // Until SIGTERM or SIGINT. Meanwhile, SIGUSR1 has more logged, and SIGUSR2 as much as before.
  void WaitForEnd(log::Log& log) const {
    int signal = 0;
    while (sigwait(&signals_, &signal) == 0) {
      if (signal == SIGUSR1) {
        log.Set(std::min(log.level(), log::Level::kDebug));
      } else if (signal == SIGUSR2) {
        log.Restore();
      } else {
        return;
      }
    }
  }

 private:
  Surroundings() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGUSR1);
    sigaddset(&signals_, SIGUSR2);
  }

  sigset_t signals_;
  // A thread of its own: the sessions' one may execute a model, which may hang.
  std::unique_ptr<Watcher> lifeline_watcher_;
  std::unique_ptr<Watcher::Watch> lifeline_;
};

// The most calls that execute at the same time: each has a row at least.
size_t CallsAtOnce(const config::BatchingConfig& batching, const Backend& backend) {
  const bool batches = batching.policy != config::BatchingPolicy::kOff;
  return static_cast<size_t>(batches ? batching.max_batch_size : 1) *
         static_cast<size_t>(backend.concurrency());
}

absl::StatusOr<std::unique_ptr<Backend>> Load(const BackendFactory& factory,
                                              const WorkerSubject& subject) {
  ASSIGN_OR_RETURN(std::unique_ptr<Backend> backend, factory(subject.config));
  if (backend->device() != subject.config.device) {
    return absl::InvalidArgumentError(StrCat("device '", subject.config.device, "': the ",
                                             subject.backend, " backend runs on ",
                                             backend->device(), " only; remove 'device'"));
  }
  const Signature& methods = backend->signature();
  if (methods.empty()) return absl::InternalError("the backend has no method");
  if (backend->concurrency() < 1) return absl::InternalError("the backend allows no execution");
  const bool batches = std::any_of(methods.begin(), methods.end(),
                                   [](const auto& method) { return CanBatch(method.second); });
  if (subject.asks_for_batching && !batches) {
    return absl::InvalidArgumentError(
        "'batching' is written, but the runner takes one row at a time, or is not safe to run "
        "again; remove it, or write batching: off");
  }
  return backend;
}

WorkerDescription DescriptionOf(const WorkerSubject& subject, const Backend& backend) {
  WorkerDescription description{.backend = subject.backend,
                                .model = subject.model,
                                .model_version = subject.model_version,
                                .model_digest = subject.model_digest,
                                .device = backend.device(),
                                .methods = backend.signature(),
                                .service = subject.service,
                                .runner = subject.runner};
  if (subject.batching.policy == config::BatchingPolicy::kOff) return description;
  for (auto& [name, method] : description.methods) {
    if (CanBatch(method)) method.max_batch_size = subject.batching.max_batch_size;
  }
  return description;
}

// Serves until a signal comes.
absl::Status Serve(const WorkerOptions& options, const Access& access, const WorkerSubject& subject,
                   Backend& backend, Surroundings& surroundings, log::Log& log) {
  const config::BatchingConfig batching = subject.batching;
  const WorkerDescription description = DescriptionOf(subject, backend);
  ASSIGN_OR_RETURN(const std::optional<std::string> path, SocketPath(options.listen));
  const Clock& clock = Clock::Monotonic();
  // Elsewhere tensors lie in this process both ways: half is for each.
  const uint64_t segment_limit =
      shm::LimitByCgroup(options.segment_limit) / (path.has_value() ? 1 : 2);
  shm::SegmentBudget segments(segment_limit);  // Of all sessions, and the calls that outlive them.
  CallQueue queue(clock, batching);
  RpcLimits limits;
  // What a gateway that has vanished holds is free again, and the end waits for none.
  if (!path.has_value()) limits.keepalive = limits.keepalive_answer = kGatewaySilence;
  RpcServer rpc_server(/*queues=*/1, limits);
  Loop loop(rpc_server.queue(), clock);
  ASSIGN_OR_RETURN(const std::unique_ptr<session::ExecutingPage> page,
                   session::ExecutingPage::Create(CallsAtOnce(batching, backend)));
  const FaultRecorder fault_recorder(*page);
  Executor executor(backend, queue, *page, clock);
  Watcher watcher;  // After the loop and the executor, which its thread may still be in.
  WorkerParts parts{
      .loop = loop,
      .watcher = watcher,
      .executor = executor,
      .page = *page,
      .signature = description.methods,
      .description = description,
      .incarnation = RandomId(),
      .limits = {.total = segment_limit, .shared = &segments},
      .incoming = ByteBudget(segment_limit),
      .shares_memory = path.has_value(),
      .tokens = access.tokens.get(),
      .service = subject.service,
  };
  WorkerServer server(parts);
  std::vector<RpcServer::QueueUser> users;
  users.push_back({.loop = loop, .services = {&server}});
  ASSIGN_OR_RETURN(const std::string address,
                   rpc_server.Open(options.listen, std::move(users), access.credentials()));
  absl::Status listening = server.Listen(path.has_value() ? StrCat(*path, ".fd") : "");
  std::thread loop_thread([&] { loop.Run(); });
  // A gateway that started it knows where.
  if (listening.ok() && options.lifeline_fd < 0) {
    log::Write(log::Level::kInfo, "listening", StrCat("listening on ", address),
               {{"address", address}});
  }

  if (listening.ok()) surroundings.WaitForEnd(log);

  loop.Post([&] { server.Close(); });
  rpc_server.Shutdown(absl::ZeroDuration());
  loop.Post([&] {
    loop.Close();
    rpc_server.queue().Shutdown();
  });
  loop_thread.join();
  return listening;
}

// Prints the description, of a model after running its example. Returns the exit code.
int Describe(std::string_view program, const WorkerSubject& subject,
             const BackendFactory& factory) {
  const Answer answer;
  const auto backend = Load(factory, subject);
  if (!backend.ok()) return Report(program, backend.status(), kExitUsage);
  if (subject.runs_example) {
    const absl::Status ran = RunExample(**backend, subject.example);
    if (!ran.ok()) return Report(program, ran, kExitUsage);
  }
  answer.Print(DescriptionOf(subject, **backend));
  return 0;
}

// Prints how long executions on the example take. Returns the exit code.
int PrintMeasurements(std::string_view program, const WorkerOptions& options,
                      const WorkerSubject& subject, const BackendFactory& factory) {
  auto given = ParseGivenExamples(options.examples);
  if (!given.ok()) return Report(program, given.status(), kExitUsage);
  const Answer answer;
  const auto backend = Load(factory, subject);
  if (!backend.ok()) return Report(program, backend.status(), kExitUsage);
  const MeasureSubject measured{.backend = **backend,
                                .kept = subject.example,
                                .given = *std::move(given),
                                .methods = options.measured_methods};
  const auto measurements =
      Measure(measured, MeasureLimitsOf(subject.batching), Clock::Monotonic());
  if (!measurements.ok()) return Report(program, measurements.status(), kExitUsage);
  answer.Print(*measurements);
  return 0;
}

// Loads, and serves until a signal comes. Returns the exit code.
int ServeRunner(std::string_view program, const WorkerOptions& options,
                const WorkerSubject& subject, const BackendFactory& factory) {
  log::Options log_options = log::OptionsOf(options.log);
  log_options.worker = subject.name;
  log_options.queue = kLogQueue;
  log::Log log(log_options);
  log::WriteWhatGrpcSays();
  const auto fail = [&](const absl::Status& status, int code) {
    log.Fail(Message(status), [&] { Report(program, status, code); });
    return code;
  };
  dup2(STDERR_FILENO, STDOUT_FILENO);  // It has nothing to answer: what is printed is told.
  // Loading may take long: what can be wrong without it is looked at first.
  const auto path = SocketPath(options.listen);
  if (!path.ok()) return fail(path.status(), kExitUsage);
  const auto surroundings = Surroundings::Create(options.lifeline_fd);
  if (!surroundings.ok()) return fail(surroundings.status(), kExitUsage);
  const absl::StatusOr<Access> access = Access::Load(options.access, options.listen);
  if (!access.ok()) return fail(access.status(), kExitUsage);
  const auto backend = Load(factory, subject);
  if (!backend.ok()) return fail(backend.status(), kExitUsage);
  const absl::Status served = Serve(options, *access, subject, **backend, **surroundings, log);
  return served.ok() ? 0 : fail(served, kExitFailed);
}

void AddFlags(CLI::App& app, WorkerOptions& options) {
  auto* service = app.add_option("--service", options.service_file, "The service file");
  app.add_option("--runner", options.runner, "The runner of the service file to be")
      ->needs(service);
  auto* model = app.add_option("--model", options.model_dir,
                               "A model's folder, instead of a service file (with --describe)");
  model->excludes(service);
  app.add_option("--store", options.store, environment::kStore.meaning)
      ->default_str(environment::DefaultText(environment::kStore));
  app.add_option("--model-version", options.model_version,
                 "Run this version of the runner's model, whichever the service file names")
      ->needs(service)
      ->check(CLI::PositiveNumber);
  app.add_option("--listen", options.listen,
                 "Where to serve: unix:PATH, or HOST:PORT (port 0: any; the log says which)");
  AddAccessFlags(app, options.access);
  app.add_option("--threads", options.threads, "Threads for the model's executions")
      ->check(CLI::Range(1, config::kMaxThreads))
      ->capture_default_str();
  app.add_option("--lifeline-fd", options.lifeline_fd, "Exit when this descriptor's peer is gone");
  app.add_flag("--debuggable", options.debuggable, "Allow core dumps and debuggers");
  app.add_option("--segment-limit", options.segment_limit,
                 "Bytes of shared memory, of all sessions together")
      ->capture_default_str();
  log::AddFlags(app, options.log);
  auto* describe =
      app.add_flag("--describe", options.describe, "Load, print the signature as JSON, and exit");
  model->needs(describe);
  app.add_flag("--reference", options.reference,
               "Print these flags and the backend's options as JSON, and exit");
  auto* measure = app.add_flag("--measure", options.measure,
                               "Load, print how long executions take as JSON, and exit");
  measure->excludes(describe)->needs(service);
  app.add_option("--method", options.measured_methods, "Measure this method; again for each")
      ->allow_extra_args(false)
      ->needs(measure);
  app.add_option("--example", options.examples,
                 "Measure on this: INPUT=VALUE or INPUT=@FILE; again for each input")
      ->allow_extra_args(false)
      ->needs(measure);
  auto* probe =
      app.add_option("--probe", options.probe_address,
                     "Ask the worker at this address for its health, and exit with 0 or 1, "
                     "or 2 where the flags are wrong");
  app.add_option("probe_service", options.probe_service, "What to probe: liveness, or nothing")
      ->needs(probe);
  auto* probe_ca = app.add_option("--tls-ca", options.probe_ca,
                                  "The worker that is probed speaks TLS; its certificate is signed "
                                  "by one of these (PEM)")
                       ->needs(probe);
  app.add_option("--tls-server-name", options.probe_server_name,
                 "The name in its certificate, where it is not the address's")
      ->needs(probe_ca);
}

}  // namespace

int WorkerMain(int argc, char** argv, std::string_view backend_name,
               std::span<const keys::Key> backend_options, const BackendFactory& factory) {
  // Debian builds Abseil with its search for lock cycles on, which costs a graph update for each
  // lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const std::string program = StrCat("tiffin-worker-", backend_name);
  WorkerOptions options;
  CLI::App app(StrCat("Runs one replica of a '", backend_name, "' runner."), program);
  AddFlags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (options.reference) {
    const keys::WorkerReference reference = {.backend = std::string(backend_name),
                                             .flags = keys::FlagRows(app),
                                             .options = keys::RowsOf(backend_options),
                                             .schema = keys::SchemaOf({.keys = backend_options})};
    std::cout << keys::ToJson(reference) << std::endl;
    return 0;
  }
  if (!options.probe_address.empty()) {
    const absl::Status health = Probe(options);
    if (health.ok()) return 0;
    return Report(program, health, absl::IsInvalidArgument(health) ? kExitUsage : kExitFailed);
  }
  const absl::Status confined = Confine(options.debuggable ? Debuggable::kYes : Debuggable::kNo);
  if (!confined.ok()) return Report(program, confined, kExitFailed);
  const bool has_runner = !options.service_file.empty() && !options.runner.empty();
  if (!has_runner && options.model_dir.empty()) {
    return Report(program,
                  absl::InvalidArgumentError("give --service FILE --runner NAME; see --help"),
                  kExitUsage);
  }
  const absl::StatusOr<WorkerSubject> subject = ResolveSubject(options, backend_name);
  if (!subject.ok()) return Report(program, subject.status(), kExitUsage);
  if (options.measure) return PrintMeasurements(program, options, *subject, factory);
  return options.describe ? Describe(program, *subject, factory)
                          : ServeRunner(program, options, *subject, factory);
}

}  // namespace tiffin::worker
