#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/service.h"
#include "common/model/store.h"

namespace tiffin::gateway {

// Which program runs a runner, and with what.
struct PlannedWorker {
  std::string service;
  std::string runner;
  std::string program;
  // --service, --runner, --store, --threads, --model-version.
  std::vector<std::string> arguments;
  int replicas = 1;
  int queue_max = 0;
};

struct PlannedFile {
  config::ServiceConfig service;
  config::Diagnostics diagnostics;  // Everything wrong that was found so far.
  bool form_ok = true;              // The file could be read without any.
};

struct WorkerPlan {
  std::vector<PlannedFile> files;
  std::vector<PlannedWorker> workers;
  // How the cores were divided, and why, for people.
  std::vector<std::string> resources;
};

// Cores that this process may use: its affinity, cut to its cgroup's (v2) quota.
int AvailableCores();

// Reads the service files, finds every runner's model and worker program, and divides the cores: a
// runner with `resources.cpu` gets as many threads (rounded up) for each replica; the others share
// what is left evenly, one thread at least. What is wrong in a file goes to its diagnostics;
// INVALID_ARGUMENT if one can't be read.
absl::StatusOr<WorkerPlan> PlanWorkers(const std::vector<std::string>& files,
                                       const std::filesystem::path& store,
                                       const std::filesystem::path& program_folder);

// INVALID_ARGUMENT with the diagnostics of all files, OK if there are none.
absl::Status DiagnosticsOf(const WorkerPlan& plan);

}  // namespace tiffin::gateway
