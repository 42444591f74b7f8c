#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/commands/run_program.h"

namespace tiffin::gateway {

// Runs a worker program that answers on stdout and exits, and takes its answer. Blocks.
// INVALID_ARGUMENT carries what the worker says about its options or its model (exit code 2); any
// other failure says how it ended, with its stderr.
absl::StatusOr<std::string> AskWorker(const std::filesystem::path& program,
                                      const std::vector<std::string>& arguments,
                                      const ProgramLimits& limits);

}  // namespace tiffin::gateway
