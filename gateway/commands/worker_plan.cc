#include "gateway/commands/worker_plan.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <utility>

#include "common/cgroup.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/worker_program.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

struct Subject {
  std::string backend;
  int64_t model_version = 0;  // 0 without a store model.
};

// What a runner runs; errors go to `diagnostics`.
std::optional<Subject> FindSubject(const config::RunnerConfig& runner, const model::Store& store,
                                   config::Diagnostics& diagnostics) {
  if (runner.model.empty() && runner.backend.empty()) return std::nullopt;  // Reported.
  if (runner.model.empty()) return Subject{.backend = runner.backend};
  const auto model = store.Find(runner.model);
  if (model.ok()) return Subject{.backend = model->backend, .model_version = model->version};
  diagnostics.Add(runner.model_location,
                  StrCat("runner '", runner.name, "': ", Message(model.status())));
  return std::nullopt;
}

// What the explicit settings ask for, and the number of replicas without any.
struct Demand {
  int explicit_threads = 0;
  int open_replicas = 0;
};

Demand SumDemand(const std::vector<PlannedFile>& files) {
  Demand demand;
  for (const PlannedFile& file : files) {
    for (const config::RunnerConfig& runner : file.service.runners) {
      if (runner.cpu.has_value()) {
        demand.explicit_threads += runner.replicas * static_cast<int>(std::ceil(*runner.cpu));
      } else {
        demand.open_replicas += runner.replicas;
      }
    }
  }
  return demand;
}

void AddWorker(const config::ServiceConfig& service, const config::RunnerConfig& runner,
               const model::Store& store, const fs::path& program_folder, int shared_threads,
               config::Diagnostics& diagnostics, WorkerPlan& plan) {
  const std::optional<Subject> subject = FindSubject(runner, store, diagnostics);
  if (!subject.has_value()) return;
  const std::string& backend = subject->backend;
  const auto program = FindWorkerProgram(backend, program_folder);
  if (!program.ok()) {
    diagnostics.Add(runner.location,
                    StrCat("runner '", runner.name, "': ", Message(program.status())));
    return;
  }
  const int threads =
      runner.cpu.has_value() ? static_cast<int>(std::ceil(*runner.cpu)) : shared_threads;
  std::vector<std::string> arguments = {"--service", fs::absolute(service.file).native(),
                                        "--runner",  runner.name,
                                        "--store",   store.root().native(),
                                        "--threads", std::to_string(threads)};
  if (subject->model_version > 0) {
    arguments.insert(arguments.end(), {"--model-version", std::to_string(subject->model_version)});
  }
  plan.workers.push_back({.service = service.name,
                          .runner = runner.name,
                          .program = program->native(),
                          .arguments = std::move(arguments),
                          .replicas = runner.replicas,
                          .queue_max = runner.queue_max});
  plan.resources.push_back(StrCat(
      "  ", service.name, ".", runner.name, " (", backend, "): ", runner.replicas,
      runner.replicas == 1 ? " replica" : " replicas", " x ", threads,
      threads == 1 ? " thread" : " threads", runner.cpu.has_value() ? " (resources.cpu)" : ""));
}

}  // namespace

int AvailableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int affinity = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  const std::optional<double> quota = CgroupCores(CgroupPaths());
  const double cores = std::min<double>(affinity, quota.value_or(affinity));
  return std::max(1, static_cast<int>(cores));
}

absl::StatusOr<WorkerPlan> PlanWorkers(const std::vector<std::string>& files,
                                       const fs::path& store_root, const fs::path& program_folder) {
  WorkerPlan plan;
  std::set<std::string> names;
  for (const std::string& file : files) {
    config::Diagnostics diagnostics(file);
    auto loaded = config::LoadService(file, diagnostics);
    if (!loaded.ok()) return absl::InvalidArgumentError(loaded.status().message());
    config::ServiceConfig service = *std::move(loaded);
    if (!service.name.empty() && !names.insert(service.name).second) {
      diagnostics.Add(service.name_location,
                      StrCat("another file has the service '", service.name, "' too: rename one"));
    }
    const bool form_ok = diagnostics.empty();
    plan.files.push_back({std::move(service), std::move(diagnostics), form_ok});
  }
  const int cores = AvailableCores();
  const Demand demand = SumDemand(plan.files);
  const int left = std::max(0, cores - demand.explicit_threads);
  const int shared = std::max(1, left / std::max(1, demand.open_replicas));
  plan.resources.push_back(
      StrCat("resources: ", cores, cores == 1 ? " core" : " cores",
             " (affinity and cgroup), divided evenly among ", demand.open_replicas,
             demand.open_replicas == 1 ? " replica" : " replicas", " without resources.cpu"));
  const int threads = demand.explicit_threads + demand.open_replicas * shared;
  if (threads > cores) {
    plan.resources.push_back(
        StrCat("  ", threads, " threads in all, more than the cores: they take turns"));
  }
  const model::Store store(store_root);
  for (PlannedFile& file : plan.files) {
    for (const config::RunnerConfig& runner : file.service.runners) {
      AddWorker(file.service, runner, store, program_folder, shared, file.diagnostics, plan);
    }
  }
  return plan;
}

absl::Status DiagnosticsOf(const WorkerPlan& plan) {
  std::vector<config::Diagnostics> errors;
  for (const PlannedFile& file : plan.files) errors.push_back(file.diagnostics);
  return config::ToStatus(errors);
}

}  // namespace tiffin::gateway
