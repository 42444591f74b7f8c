#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gateway/commands/worker_plan.h"
#include "gateway/graph/plan.h"
#include "nlohmann/json.hpp"

// What `tiffin check --json` prints. Programs rely on the names of the fields; both forms have the
// same at the top.
//   {"ok": true, "errors": [], "warnings": ["..."], "note": null, "services": [SERVICE...],
//    "resources": {...}}
//   {"ok": false, "errors": [{"file", "line", "column", "message"}...], "warnings": ["..."],
//    "note": "fix ...", "services": [], "resources": null}
namespace tiffin::gateway {

nlohmann::json PlanJson(const WorkerPlan& plan, const std::vector<PlannedService>& services,
                        const std::vector<std::string>& warnings);

// An error that has no place in a file has null there. `note`: what else there is to say.
nlohmann::json ErrorsJson(const absl::Status& errors, std::string_view note,
                          const std::vector<std::string>& warnings);

}  // namespace tiffin::gateway
