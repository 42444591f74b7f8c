#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/signature.h"
#include "gateway/commands/run_program.h"

namespace tiffin::gateway {

// Loading a model and running its example takes this long at most.
inline constexpr ProgramLimits kDescribeLimits{.time = absl::Minutes(2)};

// Runs a worker program that describes itself (`arguments` has --describe in it) and reads the
// description. Blocks. INVALID_ARGUMENT carries what the worker says about its options or its model
// (exit code 2); any other failure says how it ended, with its stderr.
absl::StatusOr<WorkerDescription> DescribeWorker(const std::filesystem::path& program,
                                                 const std::vector<std::string>& arguments,
                                                 const ProgramLimits& limits = kDescribeLimits);

}  // namespace tiffin::gateway
