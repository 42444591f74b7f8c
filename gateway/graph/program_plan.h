#pragma once

#include <span>
#include <vector>

#include "common/config/diagnostics.h"
#include "common/config/service.h"
#include "gateway/graph/extensions.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// Plans the APIs in C++ that are of this service: checks their types, and has their programs made,
// which ask for the runners' methods. As PlanService, which plans the others.
std::vector<PlannedApi> PlanPrograms(const config::ServiceConfig& service,
                                     const RunnerSignatures& signatures,
                                     std::span<const ProgramApi> apis,
                                     config::Diagnostics& diagnostics);

// INVALID_ARGUMENT if an API in C++ is of none of these services.
absl::Status CheckServices(std::span<const ProgramApi> apis, std::span<const std::string> services);

}  // namespace tiffin::gateway
