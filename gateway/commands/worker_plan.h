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
  std::string backend;
  std::string program;
  // --service, --runner, --store, --threads.
  std::vector<std::string> arguments;
  int replicas = 1;
  int queue_max = 0;
  int threads = 1;  // Of each replica.
};

struct WorkerPlan {
  std::vector<config::ServiceConfig> services;
  std::vector<PlannedWorker> workers;
  // How the cores were divided, and why; a line each.
  std::string resources;
};

// Cores that this process may use: its affinity, cut to its cgroup's (v2) quota.
int AvailableCores();

// Reads the service files, finds every runner's model and worker program, and divides the cores: a
// runner with `resources.cpu` gets as many threads (rounded up) for each replica; the others share
// what is left evenly, one thread at least. INVALID_ARGUMENT with everything that is wrong.
absl::StatusOr<WorkerPlan> PlanWorkers(const std::vector<std::string>& files,
                                       const std::filesystem::path& store,
                                       const std::filesystem::path& program_folder);

}  // namespace tiffin::gateway
