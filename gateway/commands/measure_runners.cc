#include "gateway/commands/measure_runners.h"

#include <algorithm>
#include <utility>

#include "common/measurement.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/ask_worker.h"

namespace tiffin::gateway {
namespace {

std::vector<std::string> Arguments(const MeasureRequest& request, int threads) {
  std::vector<std::string> arguments = request.worker->arguments;
  const auto flag = std::find(arguments.begin(), arguments.end(), "--threads");
  *(flag + 1) = std::to_string(threads);
  arguments.emplace_back("--measure");
  for (const std::string& method : request.methods) {
    arguments.insert(arguments.end(), {"--method", method});
  }
  for (const std::string& example : request.examples) {
    arguments.insert(arguments.end(), {"--example", example});
  }
  return arguments;
}

absl::StatusOr<WorkerMeasurements> MeasureOnce(const MeasureRequest& request, int threads) {
  ASSIGN_OR_RETURN(
      const std::string answer,
      AskWorker(request.worker->program, Arguments(request, threads), {.time = kMeasureLimit}));
  return WorkerMeasurementsFromJson(answer);
}

}  // namespace

absl::StatusOr<RunnerProfile> MeasureRunner(const MeasureRequest& request,
                                            absl::FunctionRef<void(int threads)> progress) {
  RunnerProfile profile;
  for (const int threads : request.threads) {
    progress(threads);
    absl::StatusOr<WorkerMeasurements> measured = MeasureOnce(request, threads);
    if (!measured.ok()) {
      return absl::Status(measured.status().code(),
                          StrCat("runner '", request.worker->service, ".", request.worker->runner,
                                 "': ", Message(measured.status())));
    }
    profile.emplace(threads, *std::move(measured));
  }
  return profile;
}

absl::StatusOr<std::map<const PlannedWorker*, std::vector<std::string>>> ExamplesByWorker(
    const std::vector<std::string>& texts, const std::vector<PlannedWorker>& workers) {
  std::map<const PlannedWorker*, std::vector<std::string>> examples;
  for (const std::string& text : texts) {
    const std::string key = text.substr(0, text.find('='));
    const size_t dot = key.rfind('.');
    if (key.size() == text.size() || dot == std::string::npos || dot + 1 == key.size()) {
      return absl::InvalidArgumentError(
          StrCat("--example '", text, "' must be RUNNER.INPUT=VALUE, or RUNNER.INPUT=@FILE"));
    }
    const std::string runner = key.substr(0, dot);
    const PlannedWorker* found = nullptr;
    std::string have;
    for (const PlannedWorker& worker : workers) {
      const std::string whole = StrCat(worker.service, ".", worker.runner);
      have += StrCat(have.empty() ? "" : ", ", whole);
      if (runner != worker.runner && runner != whole) continue;
      if (found != nullptr) {
        return absl::InvalidArgumentError(StrCat("--example '", text, "': two services have a ",
                                                 "runner '", runner, "'; write SERVICE.", key));
      }
      found = &worker;
    }
    if (found == nullptr) {
      return absl::InvalidArgumentError(
          StrCat("--example '", text, "': there is no runner '", runner, "' (have ", have, ")"));
    }
    examples[found].push_back(text.substr(dot + 1));
  }
  return examples;
}

}  // namespace tiffin::gateway
