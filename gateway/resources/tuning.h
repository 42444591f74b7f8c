#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/config/service.h"
#include "gateway/resources/budget.h"
#include "gateway/resources/prediction.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {

// A runner as far as a tuning depends on it, beside what its service file says.
struct TuningRunner {
  std::string service;
  const config::RunnerConfig* config = nullptr;
  std::string backend;
  std::string model;  // Version and digest; empty without a store model.
};

// All that a tuning was made for: where anything of it differs, the tuning is not used.
nlohmann::json TuningSubject(const CoreBudget& budget,
                             std::span<const config::ServiceConfig* const> services,
                             std::span<const TuningRunner> runners);

// What was chosen for which services, as it is kept next to the models.
struct Tuning {
  nlohmann::json subject;
  std::string created;   // RFC 3339, UTC.
  WorkerCounts workers;  // By "service.runner".
};

// In the folder `.tuning` of the store: one file for each set of services and number of cores.
std::filesystem::path TuningPath(const std::filesystem::path& store, const nlohmann::json& subject);

absl::Status SaveTuning(const std::filesystem::path& store, const Tuning& tuning);

// The tuning that was kept for this subject. NOT_FOUND: there is none. FAILED_PRECONDITION: there
// is one, and it was made for something else or can't be read; says what differs.
absl::StatusOr<Tuning> LoadTuning(const std::filesystem::path& store,
                                  const nlohmann::json& subject);

}  // namespace tiffin::gateway
