#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/service.h"
#include "common/signature.h"

namespace tiffin::gateway {

class WorkerCredentials;

inline constexpr absl::Duration kAskEndpointTime = absl::Seconds(2);

// What came of asking at one of a runner's endpoints.
struct EndpointAnswer {
  std::string endpoint;  // As the gateway connects to it.
  // What the worker there says it is, or why nothing is known, with advice.
  absl::StatusOr<WorkerDescription> description;
};

// Asks the workers at all endpoints of the runner at once, those on TCP with `credentials` (null:
// they are shown nothing). Blocks, for kAskEndpointTime at most.
std::vector<EndpointAnswer> AskEndpoints(const config::RunnerConfig& runner,
                                         const WorkerCredentials* credentials);

}  // namespace tiffin::gateway
