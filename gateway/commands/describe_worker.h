#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/signature.h"

namespace tiffin::gateway {

// Where the worker program for `backend` lies: tiffin-worker-<backend> in `folder`. NOT_FOUND names
// the backends whose workers are there.
absl::StatusOr<std::filesystem::path> FindWorkerProgram(std::string_view backend,
                                                        const std::filesystem::path& folder);

struct DescribeLimits {
  // Loading a model and running its example takes this long at most.
  absl::Duration time = absl::Minutes(2);
  // Of a description; of the messages on stderr, what goes beyond is dropped.
  size_t output_bytes = size_t{4} << 20;
};

// Runs a worker program that describes itself (`arguments` has --describe in it) and reads the
// description. Its stdin is empty. Blocks. INVALID_ARGUMENT carries what the worker says about its
// options or its model (exit code 2); any other failure says how it ended, with its stderr.
absl::StatusOr<WorkerDescription> DescribeWorker(const std::filesystem::path& program,
                                                 const std::vector<std::string>& arguments,
                                                 const DescribeLimits& limits = {});

}  // namespace tiffin::gateway
