#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/strings.h"
#include "gateway/commands/command.h"
#include "gateway/commands/diagnostic_report.h"
#include "gateway/commands/graph_plan.h"
#include "gateway/commands/help.h"
#include "gateway/commands/plan_options.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/resources/allocation_text.h"
#include "gateway/server/server.h"
#include "gateway/supervisor/runtime_dir.h"
#include "spdlog/spdlog.h"

namespace tiffin::gateway {
namespace {

constexpr char kExpress[] = "express";
constexpr char kGrpc[] = "grpc";

struct ServeOptions {
  PlanOptions plan;
  std::string grpc_address = "127.0.0.1:8001";
  std::string http_address;
  std::string runtime_dir = RuntimeDir::DefaultBase().native();
  uint64_t segment_limit = uint64_t{1} << 30;
  std::string worker_transport = kExpress;
};

int Serve(const ServeOptions& options) {
  absl::StatusOr<WorkerPlan> plan = PlanWorkers(options.plan);
  if (!plan.ok()) return ReportError(plan.status());
  if (!DiagnosticsOf(*plan).ok()) {
    // It will not start: then say everything that is wrong, not only what was found without
    // workers.
    const auto graphs = PlanGraphs(*plan);
    const int exit_code = ReportError(graphs.ok() ? DiagnosticsOf(*plan) : graphs.status());
    if (const auto note = TypesNote(*plan); !note.empty()) spdlog::warn("{}", note);
    return exit_code;
  }
  for (const std::string& line : AllocationText(plan->allocation)) spdlog::info("{}", line);
  ServerOptions server;
  server.runtime_base = options.runtime_dir;
  server.serving.grpc_address = options.grpc_address;
  server.serving.http_address = options.http_address;
  server.serving.segment_limit = options.segment_limit;
  server.serving.worker_transport =
      options.worker_transport == kGrpc ? WorkerTransport::kGrpc : WorkerTransport::kExpress;
  for (PlannedWorker& worker : plan->workers) {
    worker.arguments.insert(worker.arguments.end(),
                            {"--segment-limit", std::to_string(options.segment_limit)});
    server.serving.runners.push_back({.service = worker.service,
                                      .runner = worker.runner,
                                      .replicas = worker.replicas,
                                      .queue_max = worker.queue_max,
                                      .program = std::move(worker.program),
                                      .arguments = std::move(worker.arguments)});
  }
  for (PlannedFile& file : plan->files) {
    server.serving.services.push_back(std::move(file.service));
  }
  const absl::Status served = RunServer(std::move(server));
  return served.ok() ? kExitDone : ReportError(served);
}

}  // namespace

void AddServe(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<ServeOptions>();  // Shared with the command that may run.
  CLI::App* serve =
      app.add_subcommand("serve", "Serve one or more service files over gRPC and HTTP.");
  AddPlanOptions(*serve, options->plan);
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
      ->capture_default_str();
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
  Group(*serve, "Addresses", {"--grpc-address", "--http-address"});
  Teach(*serve,
        {"tiffin serve deploy/examples/inference_graph_demo/service.yaml --store build/models",
         "tiffin serve deploy/examples/*/service.yaml --store build/models "
         "--http-address 127.0.0.1:8000"});
  serve->callback([options, &chosen] { chosen = [options] { return Serve(*options); }; });
}

}  // namespace tiffin::gateway
