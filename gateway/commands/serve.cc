#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/log/flags.h"
#include "common/log/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/command.h"
#include "gateway/commands/diagnostic_report.h"
#include "gateway/commands/graph_plan.h"
#include "gateway/commands/help.h"
#include "gateway/commands/plan_options.h"
#include "gateway/commands/security_flags.h"
#include "gateway/commands/wire_limits.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/dispatch/worker_credentials.h"
#include "gateway/endpoints/fleet.h"
#include "gateway/monitor/data_log.h"
#include "gateway/resources/allocation_text.h"
#include "gateway/server/server.h"
#include "gateway/supervisor/runtime_dir.h"

namespace tiffin::gateway {
namespace {

constexpr char kExpress[] = "express";
constexpr char kGrpc[] = "grpc";
constexpr int kMaxLoops = 64;

struct ServeOptions {
  PlanOptions plan;
  std::string grpc_address = "127.0.0.1:8001";
  std::string http_address;
  std::string runtime_dir = RuntimeDir::DefaultBase().native();
  uint64_t segment_limit = uint64_t{1} << 30;
  std::string worker_transport = kExpress;
  bool debuggable_workers = false;
  int loops = 1;
  bool client_shared_memory = false;
  log::Flags log;
  bool access_log = false;
  std::string monitor_dir;
  WireFlags wire;
  SecurityFlags security;
};

// Null where no API has a monitor.
absl::StatusOr<std::unique_ptr<DataLog>> OpenDataLog(
    const std::vector<config::ServiceConfig>& services, const std::string& folder) {
  for (const config::ServiceConfig& service : services) {
    for (const config::ApiConfig& api : service.apis) {
      if (!api.monitor.has_value()) continue;
      if (!folder.empty()) return DataLog::Open(folder, services);
      const config::Location at = api.monitor->location;
      return absl::InvalidArgumentError(
          StrCat(service.file.native(), ":", at.line, ":", at.column, ": api '", api.name,
                 "' has a monitor: say where its file goes with --monitor-dir DIR"));
    }
  }
  if (folder.empty()) return nullptr;
  return absl::InvalidArgumentError("--monitor-dir is given, but no API has a monitor; remove it");
}

// Until the server has ended; why it could not start.
absl::Status RunServe(const ServeOptions& options, WorkerPlan& plan, log::Log& log) {
  if (!DiagnosticsOf(plan).ok()) {
    // It will not start: then say everything that is wrong, not only what was found without
    // workers.
    ASSIGN_OR_RETURN(const auto credentials, CredentialsFor(options.security.workers, plan));
    RETURN_IF_ERROR(PlanGraphs(plan, credentials.get()).status());
    // Of workers elsewhere it needs none to start, and says in its log who is missing.
    return DiagnosticsOf(plan);
  }
  ASSIGN_OR_RETURN(const WireLimits asked, LimitsOf(options.wire));
  ASSIGN_OR_RETURN(const WireLimits limits, FitDescriptors(asked));
  if (limits.rpc.max_connections != asked.rpc.max_connections) {
    log::Write(log::Level::kWarning, "connections_cut",
               StrCat("'ulimit -Hn' has room for ", limits.rpc.max_connections,
                      " connections over gRPC and ", limits.http.max_connections, " over HTTP"));
  }
  for (const std::string& line : AllocationText(plan.allocation)) {
    log::Write(log::Level::kInfo, "resources", line);
  }
  ServerOptions server;
  server.runtime_base = options.runtime_dir;
  server.loops = options.loops;
  server.rpc_limits = limits.rpc;
  server.http_limits = limits.http;
  server.client_shared_memory = options.client_shared_memory;
  server.serving.grpc_address = options.grpc_address;
  server.serving.http_address = options.http_address;
  server.serving.segment_limit = options.segment_limit;
  server.serving.worker_transport =
      options.worker_transport == kGrpc ? WorkerTransport::kGrpc : WorkerTransport::kExpress;
  for (PlannedFile& file : plan.files) {
    server.serving.services.push_back(std::move(file.service));
  }
  server.serving.extensions = std::move(plan.extensions);
  ASSIGN_OR_RETURN(const std::unique_ptr<DataLog> data_log,
                   OpenDataLog(server.serving.services, options.monitor_dir));
  server.serving.data_log = data_log.get();
  server.serving.access_log = options.access_log ? AccessLog::kOn : AccessLog::kOff;
  const std::vector<std::string> log_arguments = log::ArgumentsOf(options.log);
  for (PlannedWorker& worker : plan.workers) {
    worker.arguments.insert(worker.arguments.end(),
                            {"--segment-limit", std::to_string(options.segment_limit)});
    if (options.debuggable_workers) worker.arguments.emplace_back("--debuggable");
    worker.arguments.insert(worker.arguments.end(), log_arguments.begin(), log_arguments.end());
    server.serving.runners.push_back({.service = worker.service,
                                      .runner = worker.runner,
                                      .replicas = worker.replicas,
                                      .queue_max = worker.queue_max,
                                      .start_timeout = worker.start_timeout,
                                      .program = std::move(worker.program),
                                      .arguments = std::move(worker.arguments),
                                      .endpoints = {}});
  }
  for (const config::ServiceConfig& service : server.serving.services) {
    for (const config::RunnerConfig& runner : service.runners) {
      if (runner.endpoints.empty()) continue;
      server.serving.runners.push_back(
          {.service = service.name,
           .runner = runner.name,
           .replicas = static_cast<int>(Fleet::SlotsFor(runner.endpoints)),
           .queue_max = runner.queue_max,
           .program = "",
           .arguments = {},
           .endpoints = runner.endpoints,
           .written = runner.written});
    }
  }
  RETURN_IF_ERROR(ApplySecurity(options.security, server));
  return RunServer(std::move(server), log);
}

int Serve(const ServeOptions& options) {
  log::Log log(log::OptionsOf(options.log));
  absl::StatusOr<WorkerPlan> plan = PlanWorkers(options.plan);
  const absl::Status served = plan.ok() ? RunServe(options, *plan, log) : plan.status();
  if (served.ok()) return kExitDone;
  log.Fail(Message(served), [&] {
    ReportError(served);
    const std::string_view note = plan.ok() ? TypesNote(*plan) : "";
    if (!note.empty()) std::fputs(StrCat(note, "\n").c_str(), stderr);
  });
  return ExitCodeOf(served);
}

}  // namespace

void AddServe(CLI::App& app, Command& chosen, AddExtensions own) {
  auto options = std::make_shared<ServeOptions>();  // Shared with the command that may run.
  CLI::App* serve =
      app.add_subcommand("serve", "Serve one or more service files over gRPC and HTTP.");
  AddPlanOptions(*serve, options->plan);
  AddEndpoints(*serve, options->plan);
  options->plan.own = own;
  serve
      ->add_option("--grpc-address", options->grpc_address,
                   "Where gRPC listens: HOST:PORT or unix:PATH")
      ->capture_default_str();
  serve->add_option(
      "--http-address", options->http_address,
      "Where HTTP listens: HOST:PORT, as in 127.0.0.1:8000; without it there is no HTTP");
  serve
      ->add_option("--runtime-dir", options->runtime_dir,
                   "A folder for the sockets of workers; each run makes one of its own in it")
      ->default_str(StrCat("$", environment::kRuntime.name, "/tiffin, else ",
                           environment::kRuntime.otherwise));
  serve
      ->add_option("--segment-limit", options->segment_limit,
                   "The most bytes of shared memory for the gateway, and for each worker")
      ->capture_default_str();
  serve
      ->add_option("--worker-transport", options->worker_transport,
                   "What calls travel on between the gateway and its workers: express (Unix "
                   "sockets), or grpc (streams; slower)")
      ->check(CLI::IsMember({kExpress, kGrpc}))
      ->capture_default_str();
  serve->add_flag("--debuggable-workers", options->debuggable_workers,
                  "Let workers leave core dumps, and let debuggers attach to them");
  serve
      ->add_option("--loops", options->loops,
                   "Threads that handle requests, each for the connections that are its own")
      ->check(CLI::Range(1, kMaxLoops))
      ->capture_default_str();
  serve->add_flag(
      "--client-shared-memory", options->client_shared_memory,
      "Let clients of KServe v2 have tensors read from and written to files in /dev/shm: "
      "any client, any file there that this user may write to");
  log::AddFlags(*serve, options->log);
  serve->add_option("--monitor-dir", options->monitor_dir,
                    "The folder of the files that monitors write");
  AddWireFlags(*serve, options->wire);
  serve->add_flag("--access-log", options->access_log, "Log a line for each request");
  AddSecurityFlags(*serve, options->security);
  Group(*serve, "Addresses", {"--grpc-address", "--http-address"});
  Teach(*serve,
        {"tiffin serve deploy/examples/inference_graph_demo/service.yaml --store build/models",
         "tiffin serve deploy/examples/*/service.yaml --store build/models "
         "--http-address 127.0.0.1:8000"});
  serve->callback([options, &chosen] { chosen = [options] { return Serve(*options); }; });
}

}  // namespace tiffin::gateway
