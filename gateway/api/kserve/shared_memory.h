#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/unique_fd.h"
#include "gateway/api/kserve/shared_region.h"

namespace tiffin::gateway::kserve {

// The end of a message about what needs it.
inline constexpr std::string_view kSharedMemoryIsOff =
    "this server does not share clients' memory; start it with 'tiffin serve "
    "--client-shared-memory', or send and take tensors in the messages";

struct SharedMemoryOptions {
  std::string directory = "/dev/shm";
  // Each has a descriptor; together they never take more than a quarter of the process's.
  size_t max_regions = 1024;
};

// The regions that clients have registered, as Triton has them: of all clients, until somebody
// unregisters them. One for the process, whatever its loops; for any thread.
class SharedMemory {
 public:
  // FAILED_PRECONDITION if the folder can't be opened.
  static absl::StatusOr<std::unique_ptr<SharedMemory>> Create(SharedMemoryOptions options = {});

  // ALREADY_EXISTS if there is one of the name, be it the same; RESOURCE_EXHAUSTED if there are too
  // many.
  absl::Status Register(RegionSpec spec);
  // Requests that have the region go on with it. It is no error if there is none.
  void Unregister(std::string_view name);
  void UnregisterAll();
  // All of them, by name.
  std::vector<RegionSpec> List() const;
  // NOT_FOUND. Shared with the requests that use it: it may be unregistered while they run.
  absl::StatusOr<std::shared_ptr<const SharedRegion>> Find(std::string_view name) const;

 private:
  SharedMemory(UniqueFd directory, size_t max_regions)
      : directory_(std::move(directory)), max_regions_(max_regions) {}

  const UniqueFd directory_;
  const size_t max_regions_;
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const SharedRegion>, std::less<>> regions_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway::kserve
