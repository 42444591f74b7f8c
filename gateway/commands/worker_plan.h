#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/service.h"
#include "common/model/store.h"
#include "gateway/graph/extensions.h"
#include "gateway/graph/plugin.h"
#include "gateway/resources/allocation.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {

// What a plan is made from.
struct PlanOptions {
  std::vector<std::string> files;
  std::filesystem::path store;
  std::vector<std::string> worker_dirs;  // Given by --worker-dir.
  std::vector<std::string> plugins;      // Files.
  std::vector<std::string> endpoints;    // Patterns: see config::SetEndpoints.
  AddExtensions own = nullptr;           // What this program adds itself.
  std::optional<double> cpus;            // What the user says about the cores.
  enum class Tunings { kUsed, kIgnored } tunings = Tunings::kUsed;
};

// Which program runs a runner, and with what.
struct PlannedWorker {
  std::string service;
  std::string runner;
  std::string program;
  // --service, --runner, --store, --threads, --model-version.
  std::vector<std::string> arguments;
  int replicas = 1;
  int queue_max = 0;
  absl::Duration start_timeout = config::kDefaultStartTimeout;
};

struct PlannedFile {
  config::ServiceConfig service;
  config::Diagnostics diagnostics;  // Everything wrong that was found so far.
  bool form_ok = true;              // The file could be read without any.
};

struct WorkerPlan {
  Extensions extensions;
  std::vector<PlannedFile> files;
  std::vector<PlannedWorker> workers;
  Allocation allocation;  // How the cores were divided: a share for each worker, in their order.
  nlohmann::json tuning_subject;  // What a tuning of this would be kept for.
};

// Loads the plugins, reads the service files, finds every runner's model and worker program, and
// divides the cores among all of them. What is wrong in a file goes to its diagnostics, and runners
// that can't be started are left out; INVALID_ARGUMENT if a file can't be read, a plugin is none,
// or a pattern of endpoints is wrong.
absl::StatusOr<WorkerPlan> PlanWorkers(const PlanOptions& options);

// INVALID_ARGUMENT with the diagnostics of all files, OK if there are none.
absl::Status DiagnosticsOf(const WorkerPlan& plan);

}  // namespace tiffin::gateway
