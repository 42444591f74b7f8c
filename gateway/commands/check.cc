#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/log/grpc_log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/typed/descriptors.h"
#include "gateway/api/typed/proto_files.h"
#include "gateway/commands/check_json.h"
#include "gateway/commands/command.h"
#include "gateway/commands/container_plan.h"
#include "gateway/commands/diagnostic_report.h"
#include "gateway/commands/graph_files.h"
#include "gateway/commands/graph_plan.h"
#include "gateway/commands/help.h"
#include "gateway/commands/plan_options.h"
#include "gateway/commands/print.h"
#include "gateway/commands/security_flags.h"
#include "gateway/commands/wire_limits.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/commands/write_file.h"
#include "gateway/dispatch/worker_credentials.h"
#include "gateway/graph/describe.h"
#include "gateway/graph/plan.h"
#include "gateway/resources/allocation_text.h"

namespace tiffin::gateway {
namespace {

struct CheckOptions {
  PlanOptions plan;
  WorkerSecurityFlags workers;
  std::string proto_dir;
  std::string graph_dir;
  bool json = false;
  bool kubernetes = false;
  ContainerLimits containers;  // With `kubernetes`.
};

absl::Status WriteProtos(const std::vector<PlannedService>& services,
                         const std::filesystem::path& folder) {
  ASSIGN_OR_RETURN(const auto files, typed::ProtoFiles(services));
  for (const auto& [name, text] : files) {
    RETURN_IF_ERROR(WriteFile(folder / name, text));
  }
  return absl::OkStatus();
}

void PrintPlan(const WorkerPlan& plan, const std::vector<PlannedService>& services) {
  for (const PlannedService& service : services) {
    std::fputs(DescribePlan(service).c_str(), stdout);
  }
  for (const std::string& line : AllocationText(plan.allocation)) {
    std::printf("%s\n", line.c_str());
  }
}

absl::Status WriteFiles(const CheckOptions& options, const std::vector<PlannedService>& services) {
  if (!options.proto_dir.empty()) RETURN_IF_ERROR(WriteProtos(services, options.proto_dir));
  if (!options.graph_dir.empty()) RETURN_IF_ERROR(WriteGraphs(services, options.graph_dir));
  return absl::OkStatus();
}

// Of what went wrong, JSON is said on stdout, and all else on stderr.
int Fail(const CheckOptions& options, const absl::Status& errors, std::string_view note = "",
         const std::vector<std::string>& warnings = {}) {
  if (options.json) PrintJson(ErrorsJson(errors, note, warnings));
  const int exit_code = ReportError(errors);
  if (!note.empty()) std::fputs(StrCat(note, "\n").c_str(), stderr);
  return exit_code;
}

// Empty: the errors say all.
std::string_view NoteOn(const WorkerPlan& plan, const GraphPlan& graphs) {
  if (config::ToStatus(graphs.unanswered).ok()) return TypesNote(plan);
  return "what these workers do can't be told from here, so what depends on it is not checked";
}

int Check(const CheckOptions& options) {
  log::HushGrpc();
  absl::StatusOr<WorkerPlan> plan = PlanWorkers(options.plan);
  if (!plan.ok()) return Fail(options, plan.status());
  const auto credentials = CredentialsFor(options.workers, *plan);
  if (!credentials.ok()) return Fail(options, credentials.status());
  const absl::StatusOr<GraphPlan> graphs = PlanGraphs(*plan, credentials->get());
  if (!graphs.ok()) return Fail(options, graphs.status());
  const std::vector<std::string>& warnings = graphs->warnings;
  for (const std::string& warning : warnings) {
    std::fputs(StrCat("warning: ", warning, "\n").c_str(), stderr);
  }
  if (const absl::Status errors = ErrorsOf(*plan, *graphs); !errors.ok()) {
    return Fail(options, errors, NoteOn(*plan, *graphs), warnings);
  }
  const std::vector<PlannedService>& services = graphs->services;
  // With the contracts beside the files.
  if (const auto typed = typed::Descriptors::Create(services); !typed.ok()) {
    return Fail(options, typed.status(), "", warnings);
  }
  // First: what could not be written is an error, in the JSON too.
  if (const absl::Status written = WriteFiles(options, services); !written.ok()) {
    return Fail(options, written, "", warnings);
  }
  if (options.json) {
    PrintJson(PlanJson(*plan, services, warnings));
  } else if (options.kubernetes) {
    const absl::StatusOr<std::string> containers = ContainerPlan(*plan, options.containers);
    if (!containers.ok()) return Fail(options, containers.status());
    Print(*containers);
    if (const std::string note = ElsewhereNote(*plan); !note.empty()) {
      std::fputs(StrCat(note, "\n").c_str(), stderr);
    }
  } else {
    PrintPlan(*plan, services);
  }
  return kExitDone;
}

}  // namespace

void AddCheck(CLI::App& app, Command& chosen, AddExtensions own) {
  auto options = std::make_shared<CheckOptions>();  // Shared with the command that may run.
  CLI::App* check = app.add_subcommand(
      "check", "Check service files whole: all errors at once, or the plan and the resources.");
  AddPlanOptions(*check, options->plan);
  AddEndpoints(*check, options->plan);
  options->plan.own = own;
  AddWorkerSecurityFlags(*check, options->workers);
  check->add_option("--proto", options->proto_dir,
                    "Write the .proto files of the typed APIs, with their imports, to this folder");
  check->add_option("--graph", options->graph_dir,
                    "Draw each API's graph into this folder, as SERVICE.API.svg (needs Graphviz)");
  auto* json = check->add_flag("--json", options->json,
                               "Print the plan, or the errors, as one JSON object: ok, errors, "
                               "warnings, services, resources, note");
  auto* kubernetes = check->add_flag("--kubernetes", options->kubernetes,
                                     "Print what the gateway and each runner need as containers, "
                                     "as YAML: requests, limits, and the "
                                     "arguments that go with them");
  kubernetes->excludes(json);
  check
      ->add_option("--max-message", options->containers.max_message,
                   "With --kubernetes: the most bytes of a message, from which memory follows")
      ->needs(kubernetes)
      ->check(CLI::Range(kLeastMessage, kMostMessage))
      ->capture_default_str();
  Teach(*check,
        {"tiffin check deploy/examples/inference_graph_demo/service.yaml --store build/models",
         "tiffin check deploy/examples/*/service.yaml --store build/models --cpus 4 --json",
         "tiffin check deploy/examples/sentiment_analysis/service.yaml --store build/models "
         "--graph build/graphs",
         "tiffin check deploy/examples/inference_graph_demo/service.yaml --store build/models "
         "--cpus 2 --kubernetes"},
        "0 all is right, 1 it could not be checked, 2 errors in a file, or wrong usage");
  check->callback([options, &chosen] { chosen = [options] { return Check(*options); }; });
}

}  // namespace tiffin::gateway
