#include "gateway/api/kserve/model_table.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/access.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::kserve {
namespace {

// Room for the rest of a message of 1 KiB.
constexpr size_t kMaxListed = 600;

}  // namespace

absl::Status ModelTable::Add(Model model) {
  std::string name = model.interface.name;
  const auto [it, added] = models_.try_emplace(std::move(name), std::move(model));
  if (!added) {
    return absl::InvalidArgumentError(
        StrCat("service '", it->second.service, "' has two things that clients would call '",
               it->first, "', an API and a runner's method; rename one of them"));
  }
  const std::string& full = it->first;
  by_last_part_[full.substr(full.rfind('.') + 1)].push_back(&it->second);
  return absl::OkStatus();
}

absl::StatusOr<ModelTable> ModelTable::Create(std::span<const PlannedService> services,
                                              std::span<const RunnerEntry> runners,
                                              const Serving* serving) {
  ModelTable table;
  table.serving_ = serving;
  for (const PlannedService& service : services) {
    for (const PlannedApi& api : service.apis) {
      RETURN_IF_ERROR(table.Add({.target = &api,
                                 .interface = InterfaceOf(&api),
                                 .version = "1",
                                 .platform = "tiffin",
                                 .service = service.name,
                                 .runner = ""}));
    }
  }
  for (const RunnerEntry& entry : runners) {
    RETURN_IF_ERROR(table.Add({.target = &entry,
                               .interface = InterfaceOf(&entry),
                               .version = std::to_string(entry.version),
                               .platform = entry.backend,
                               .service = entry.service,
                               .runner = entry.runner}));
  }
  return table;
}

const AbsentService* ModelTable::AbsentWith(std::string_view name) const {
  if (serving_ == nullptr) return nullptr;
  for (const AbsentService& service : serving_->absent()) {
    const bool is_short =
        std::find(service.targets.begin(), service.targets.end(), name) != service.targets.end();
    if (is_short || name.starts_with(StrCat(service.name, "."))) return &service;
  }
  return nullptr;
}

absl::StatusOr<const Model*> ModelTable::Find(std::string_view name,
                                              std::string_view version) const {
  const Model* found = nullptr;
  if (const auto it = models_.find(name); it != models_.end()) {
    found = &it->second;
  } else if (const auto same = by_last_part_.find(name); same != by_last_part_.end()) {
    // One that is absent has a claim too: or the name would be another's when it comes.
    const AbsentService* const absent = AbsentWith(name);
    if (same->second.size() > 1 || absent != nullptr) {
      std::string list = absent == nullptr ? "" : StrCat(absent->name, ".", name);
      for (const Model* model : same->second) {
        if (!list.empty()) list += ", ";
        list += model->interface.name;
      }
      return absl::NotFoundError(StrCat("'", name, "' could be several models; ask for one of ",
                                        BoundedUtf8(list, kMaxListed)));
    }
    found = same->second.front();
  }
  if (found == nullptr) {
    if (const AbsentService* absent = AbsentWith(name); absent != nullptr) {
      return serving_->WhyAbsent(absent->name);
    }
    std::string list;
    for (const auto& [full, model] : models_) {
      if (!list.empty()) list += ", ";
      list += full;
    }
    return absl::NotFoundError(StrCat("there is no model '", BoundedUtf8(name, kMaxQuoted),
                                      "'; this server has ", BoundedUtf8(list, kMaxListed)));
  }
  if (!version.empty() && version != found->version) {
    return absl::NotFoundError(StrCat("model '", found->interface.name, "' has no version '",
                                      BoundedUtf8(version, kMaxQuoted), "'; it has version ",
                                      found->version));
  }
  return found;
}

absl::StatusOr<const Model*> ModelTable::FindFor(const Caller* caller, std::string_view name,
                                                 std::string_view version) const {
  if (const AbsentService* absent = AbsentWith(name); absent != nullptr) {
    RETURN_IF_ERROR(CheckAccess(caller, absent->name));
  }
  ASSIGN_OR_RETURN(const Model* model, Find(name, version));
  RETURN_IF_ERROR(CheckAccess(caller, model->service));
  return model;
}

}  // namespace tiffin::gateway::kserve
