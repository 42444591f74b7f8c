#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/caller.h"
#include "gateway/api/interface.h"
#include "gateway/api/serving.h"

namespace tiffin::gateway::kserve {

// What KServe calls a model: an API, or a method of a runner.
struct Model {
  InferTarget target;
  Interface interface;  // Its name is the model's.
  std::string version;
  std::string platform;  // "tiffin" for an API, the backend for a runner.
  std::string service;
  std::string runner;  // Empty for an API.
};

// All models of a server, by name. Immutable.
class ModelTable {
 public:
  // An error if two of them have the same name: then an API and a runner of a service do. `serving`
  // knows what is absent, and outlives the result; null: nothing is.
  static absl::StatusOr<ModelTable> Create(std::span<const PlannedService> services,
                                           std::span<const RunnerEntry> runners,
                                           const Serving* serving = nullptr);
  // Pointers between the maps: moving keeps them, copying would not.
  ModelTable(ModelTable&&) = default;
  ModelTable& operator=(ModelTable&&) = default;

  // By full name, or by a last part that only one model has. An empty version is the one there is.
  // NOT_FOUND says which models or versions there are.
  absl::StatusOr<const Model*> Find(std::string_view name, std::string_view version) const;
  // The same for a client: PERMISSION_DENIED if it may not call that. Null: it may all.
  absl::StatusOr<const Model*> FindFor(const Caller* caller, std::string_view name,
                                       std::string_view version) const;
  size_t size() const { return models_.size(); }
  // Pairs of name and model, by name.
  auto begin() const { return models_.begin(); }
  auto end() const { return models_.end(); }

 private:
  ModelTable() = default;
  absl::Status Add(Model model);
  // The service that is absent and would have it.
  const AbsentService* AbsentWith(std::string_view name) const;

  const Serving* serving_ = nullptr;
  std::map<std::string, Model, std::less<>> models_;
  std::map<std::string, std::vector<const Model*>, std::less<>> by_last_part_;
};

}  // namespace tiffin::gateway::kserve
