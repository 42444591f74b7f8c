#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/typed/descriptors.h"
#include "gateway/api/typed/proto_files.h"
#include "gateway/commands/command.h"
#include "gateway/commands/graph_files.h"
#include "gateway/commands/graph_plan.h"
#include "gateway/commands/plan_options.h"
#include "gateway/commands/text_file.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/graph/describe.h"
#include "gateway/graph/plan.h"
#include "gateway/resources/allocation_text.h"

namespace tiffin::gateway {
namespace {

struct CheckOptions {
  PlanOptions plan;
  std::string proto_dir;
  std::string graph_dir;
};

absl::Status WriteProtos(const std::vector<PlannedService>& services,
                         const std::filesystem::path& folder) {
  ASSIGN_OR_RETURN(const auto files, typed::ProtoFiles(services));
  for (const auto& [name, text] : files) {
    RETURN_IF_ERROR(WriteTextFile(folder / name, text));
  }
  return absl::OkStatus();
}

absl::Status Check(const CheckOptions& options) {
  ASSIGN_OR_RETURN(WorkerPlan plan, PlanWorkers(options.plan));
  ASSIGN_OR_RETURN(const std::vector<PlannedService> services, PlanGraphs(plan));
  RETURN_IF_ERROR(DiagnosticsOf(plan));
  RETURN_IF_ERROR(typed::Descriptors::Create(services).status());
  for (const PlannedService& service : services) {
    std::fputs(DescribePlan(service).c_str(), stdout);
  }
  for (const std::string& line : AllocationText(plan.allocation)) {
    std::printf("%s\n", line.c_str());
  }
  if (!options.proto_dir.empty()) RETURN_IF_ERROR(WriteProtos(services, options.proto_dir));
  if (!options.graph_dir.empty()) RETURN_IF_ERROR(WriteGraphs(services, options.graph_dir));
  return absl::OkStatus();
}

}  // namespace

void AddCheck(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<CheckOptions>();  // Shared with the command that may run.
  CLI::App* check = app.add_subcommand(
      "check", "Check service files whole: all errors at once, then the plan and the resources");
  AddPlanOptions(*check, options->plan);
  check->add_option("--proto", options->proto_dir,
                    "Write the .proto files of the typed APIs, with their imports, to this folder");
  check->add_option("--graph", options->graph_dir,
                    "Draw each API's graph into this folder, as SERVICE.API.svg (needs Graphviz)");
  check->callback([options, &chosen] {
    chosen = [options] {
      const absl::Status checked = Check(*options);
      return checked.ok() ? kExitDone : ReportError(checked);
    };
  });
}

}  // namespace tiffin::gateway
