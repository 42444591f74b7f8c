#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/batching.h"
#include "common/log/flags.h"
#include "common/model/store.h"
#include "worker/runtime/access.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// A worker's command line.
struct WorkerOptions {
  // What to run: a runner of a service file, or a model's folder (with --describe).
  std::string service_file;
  std::string runner;
  std::string model_dir;
  // Of the runner's model; 0: as the service file says. A gateway keeps the version that it
  // checked, even if a newer one is imported before the worker's next life.
  int64_t model_version = 0;
  std::string store;

  std::string listen;  // unix:PATH or HOST:PORT
  AccessFlags access;
  int threads = 1;
  int lifeline_fd = -1;
  uint64_t segment_limit = uint64_t{1} << 30;
  log::Flags log;

  bool debuggable = false;
  bool describe = false;
  bool reference = false;
  // Print how long executions take, of these methods and on these inputs ("INPUT=VALUE").
  bool measure = false;
  std::vector<std::string> measured_methods;
  std::vector<std::string> examples;
  std::string probe_address;
  std::string probe_service;
  std::string probe_ca;
  std::string probe_server_name;
};

// What the options say, looked up in the service file and in the store.
struct WorkerSubject {
  std::string name;     // "digits.model_a"; a model's without a service file.
  std::string service;  // Empty without a service file.
  std::string runner;   // Likewise.
  BackendConfig config;
  std::string backend;  // This program's.
  std::string model;    // Empty without a store model.
  int64_t model_version = 1;
  std::string model_digest;
  config::BatchingConfig batching{.policy = config::BatchingPolicy::kOff};
  // Set to batch, so that a backend which can't is an error.
  bool asks_for_batching = false;
  // model.yaml's, and whether it is run: for a model's folder, which is about to be imported.
  nlohmann::json example = nlohmann::json::object();
  bool runs_example = false;
};

// `backend` is this program's. An error names the file and the fix.
absl::StatusOr<WorkerSubject> ResolveSubject(const WorkerOptions& options,
                                             std::string_view backend);

}  // namespace tiffin::worker
