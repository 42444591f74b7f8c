#include "gateway/commands/container_plan.h"

#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/describe_worker.h"
#include "gateway/commands/run_program.h"

namespace tiffin::gateway {
namespace {

absl::StatusOr<uint64_t> PeakMemory(const PlannedWorker& worker) {
  std::vector<std::string> arguments = worker.arguments;
  arguments.emplace_back("--describe");
  ASSIGN_OR_RETURN(const ProgramOutput output,
                   RunProgram(worker.program, arguments, "", kDescribeLimits));
  if (output.ending.exit_code == 0) return output.ending.peak_memory;
  return absl::UnavailableError(StrCat("runner '", worker.runner, "': its worker ended with ",
                                       output.ending.text, ": ", LastWords(output.err)));
}

}  // namespace

absl::StatusOr<std::string> ContainerPlan(const WorkerPlan& plan, const ContainerLimits& limits) {
  std::vector<uint64_t> peaks;
  for (const PlannedWorker& worker : plan.workers) {
    ASSIGN_OR_RETURN(const uint64_t peak, PeakMemory(worker));
    peaks.push_back(peak);
  }
  ASSIGN_OR_RETURN(const std::vector<ContainerNeeds> containers,
                   ContainersOf(plan.allocation, peaks, limits));
  return ContainersYaml(plan.allocation, containers);
}

std::string ElsewhereNote(const WorkerPlan& plan) {
  std::string elsewhere;
  for (const PlannedFile& file : plan.files) {
    for (const config::RunnerConfig& runner : file.service.runners) {
      if (runner.endpoints.empty()) continue;
      elsewhere += StrCat(elsewhere.empty() ? "" : ", ", file.service.name, ".", runner.name);
    }
  }
  if (elsewhere.empty()) return "";
  return StrCat("not planned here, for their workers are elsewhere: ", elsewhere,
                "; plan them from the file that the workers get, without --endpoints");
}

}  // namespace tiffin::gateway
