#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/model/store.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/typed/proto_files.h"
#include "gateway/commands/command.h"
#include "gateway/commands/describe_worker.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/functions/registry.h"
#include "gateway/graph/describe.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {
namespace {

struct CheckOptions {
  std::vector<std::string> files;
  std::string store = model::Store::DefaultRoot().native();
  std::string proto_dir;
};

// Asks every worker program what the runner does.
absl::StatusOr<RunnerSignatures> DescribeRunners(const WorkerPlan& plan,
                                                 const config::ServiceConfig& service,
                                                 config::Diagnostics& diagnostics) {
  RunnerSignatures signatures;
  for (const PlannedWorker& worker : plan.workers) {
    if (worker.service != service.name) continue;
    std::vector<std::string> arguments = worker.arguments;
    arguments.emplace_back("--describe");
    auto description = DescribeWorker(worker.program, arguments);
    if (description.ok()) {
      signatures[worker.runner] = std::move(description->methods);
    } else if (absl::IsInvalidArgument(description.status())) {
      diagnostics.Add(service.FindRunner(worker.runner)->location,
                      StrCat("runner '", worker.runner, "': ", Message(description.status())));
    } else {
      return description.status();
    }
  }
  return signatures;
}

absl::StatusOr<std::vector<PlannedService>> PlanGraphs(const WorkerPlan& plan) {
  const FunctionTable functions = BuiltinFunctions();
  std::vector<PlannedService> services;
  std::string errors;
  for (const config::ServiceConfig& service : plan.services) {
    config::Diagnostics diagnostics(service.file.native());
    ASSIGN_OR_RETURN(const RunnerSignatures signatures,
                     DescribeRunners(plan, service, diagnostics));
    services.push_back(PlanService(service, signatures, functions, diagnostics));
    errors += diagnostics.ToString();
  }
  if (!errors.empty()) return absl::InvalidArgumentError(errors);
  return services;
}

absl::Status WriteProtos(const std::vector<PlannedService>& services,
                         const std::filesystem::path& folder) {
  ASSIGN_OR_RETURN(const auto files, typed::ProtoFiles(services));
  for (const auto& [name, text] : files) {
    const std::filesystem::path path = folder / name;
    std::error_code ignored;  // The write tells.
    std::filesystem::create_directories(path.parent_path(), ignored);
    std::ofstream out(path);
    out << text;
    if (!out.flush()) return absl::InternalError(StrCat("can't write ", path.native()));
  }
  return absl::OkStatus();
}

absl::Status Check(const CheckOptions& options) {
  ASSIGN_OR_RETURN(const WorkerPlan plan,
                   PlanWorkers(options.files, options.store, ProgramFolder()));
  ASSIGN_OR_RETURN(const std::vector<PlannedService> services, PlanGraphs(plan));
  for (const PlannedService& service : services) {
    std::fputs(DescribePlan(service).c_str(), stdout);
  }
  std::fputs(plan.resources.c_str(), stdout);
  return options.proto_dir.empty() ? absl::OkStatus() : WriteProtos(services, options.proto_dir);
}

}  // namespace

void AddCheck(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<CheckOptions>();  // Shared with the command that may run.
  CLI::App* check = app.add_subcommand(
      "check", "Check service files whole: all errors at once, then the plan and the resources");
  check->add_option("files", options->files, "Service files")->required();
  check->add_option("--store", options->store, "The model store")->capture_default_str();
  check->add_option("--proto", options->proto_dir,
                    "Write the .proto files of the typed APIs, with their imports, to this folder");
  check->callback([options, &chosen] {
    chosen = [options] {
      const absl::Status checked = Check(*options);
      return checked.ok() ? kExitDone : ReportError(checked);
    };
  });
}

}  // namespace tiffin::gateway
