#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/service.h"
#include "common/signature.h"

namespace tiffin::gateway {

class WorkerCredentials;

inline constexpr absl::Duration kAskEndpointTime = absl::Seconds(2);

// What a worker at one of the runner's endpoints says it is; null: those on TCP are shown nothing.
// Blocks, for kAskEndpointTime for each endpoint at most. UNAVAILABLE if none answers.
absl::StatusOr<WorkerDescription> AskEndpoints(const config::RunnerConfig& runner,
                                               const WorkerCredentials* credentials);

}  // namespace tiffin::gateway
