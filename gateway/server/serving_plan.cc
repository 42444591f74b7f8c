#include "gateway/server/serving_plan.h"

#include <utility>

#include "absl/strings/str_replace.h"
#include "common/config/diagnostics.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/typed/descriptors.h"

namespace tiffin::gateway {
namespace {

// The runners of a service, and what is known of them.
struct Known {
  RunnerSignatures signatures;
  std::vector<RunnerEntry> entries;
  bool elsewhere = false;  // One of them is.
  absl::Status awaited;    // Those that nothing is known of.
};

// Of a runner whose workers nothing is known of.
std::string WhyAwaited(const RunnerSetup& setup, const absl::Status& why) {
  if (absl::IsFailedPrecondition(why)) return StrCat("runner '", setup.runner, "': ", Message(why));
  std::string where;
  for (const config::Endpoint& endpoint : setup.endpoints) {
    where += StrCat(where.empty() ? "" : ", ", ToString(endpoint));
  }
  return StrCat("runner '", setup.runner, "': no worker at ", where, " has attached yet");
}

Known KnownOf(const std::string& service, const ServingOptions& options,
              ServingPlan::Describe describe) {
  Known known;
  for (size_t i = 0; i < options.runners.size(); ++i) {
    const RunnerSetup& setup = options.runners[i];
    if (setup.service != service) continue;
    known.elsewhere = known.elsewhere || setup.elsewhere();
    const absl::StatusOr<WorkerDescription> description = describe(i);
    if (!description.ok()) {
      // It is served no sooner than the last of them is mended.
      const absl::StatusCode code = known.awaited.ok() || absl::IsUnavailable(known.awaited)
                                        ? description.status().code()
                                        : known.awaited.code();
      known.awaited =
          absl::Status(code, StrCat(Message(known.awaited), known.awaited.ok() ? "" : "; ",
                                    WhyAwaited(setup, description.status())));
      continue;
    }
    known.signatures[setup.runner] = description->methods;
    for (const auto& [method, signature] : description->methods) {
      known.entries.push_back({.service = service,
                               .runner = setup.runner,
                               .method = method,
                               .signature = signature,
                               .version = description->model_version,
                               .backend = description->backend});
    }
  }
  return known;
}

// Of errors that are a line each: the log and a status have one.
std::string InOneLine(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"\n", "; "}});
}

// What would stop the whole server, of a service that comes to it later: names that clash, or break
// with its contract.
absl::Status CheckAlone(const PlannedService& service, const std::vector<RunnerEntry>& entries) {
  RETURN_IF_ERROR(typed::Descriptors::Create(std::span(&service, 1)).status());
  return kserve::ModelTable::Create(std::span(&service, 1), entries).status();
}

}  // namespace

absl::StatusOr<ServingPlan::Attempt> ServingPlan::Create(const ServingOptions& options,
                                                         Describe describe) {
  Attempt attempt;
  auto plan = std::make_unique<ServingPlan>();
  std::vector<config::Diagnostics> errors;
  for (const config::ServiceConfig& service : options.services) {
    Known known = KnownOf(service.name, options, describe);
    absl::Status absent;
    if (!known.awaited.ok()) {
      absent = known.awaited;
    } else {
      config::Diagnostics diagnostics(service.file.native());
      PlannedService planned =
          PlanService(service, known.signatures, options.extensions, diagnostics);
      if (known.elsewhere) {
        absent = diagnostics.empty() ? CheckAlone(planned, known.entries) : diagnostics.ToStatus();
        if (!absent.ok()) {
          absent = absl::FailedPreconditionError(
              StrCat("its workers are not what it was written for: ", InOneLine(Message(absent))));
          attempt.misfits.insert(service.name);
        }
      } else {
        errors.push_back(std::move(diagnostics));
      }
      if (absent.ok()) {
        plan->services.push_back(std::move(planned));
        for (RunnerEntry& entry : known.entries) plan->runners.push_back(std::move(entry));
      }
    }
    if (absent.ok()) continue;
    AbsentService& missing =
        plan->absent.emplace_back(AbsentService{.name = service.name, .targets = {}});
    for (const config::ApiConfig& api : service.apis) missing.targets.push_back(api.name);
    for (const config::RunnerConfig& runner : service.runners) {
      missing.targets.push_back(runner.name);
    }
    attempt.why_absent[service.name] =
        absl::Status(absent.code(), StrCat("service '", service.name, "': ", Message(absent)));
  }
  RETURN_IF_ERROR(config::ToStatus(errors));
  attempt.plan = std::move(plan);
  return attempt;
}

}  // namespace tiffin::gateway
