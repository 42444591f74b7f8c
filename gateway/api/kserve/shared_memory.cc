#include "gateway/api/kserve/shared_memory.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::kserve {
namespace {

// Connections, workers and segments need the others.
size_t QuarterOfDescriptors() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<size_t>(limit.rlim_cur / 4);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SharedMemory>> SharedMemory::Create(SharedMemoryOptions options) {
  UniqueFd directory(::open(options.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) {
    return absl::FailedPreconditionError(
        StrCat("clients can't share memory: ",
               ToStd(absl::ErrnoToStatus(errno, options.directory).message())));
  }
  return std::unique_ptr<SharedMemory>(new SharedMemory(
      std::move(directory), std::min(options.max_regions, QuarterOfDescriptors())));
}

absl::Status SharedMemory::Register(RegionSpec spec) {
  // Opened without the lock; closed again if it may not stay.
  ASSIGN_OR_RETURN(SharedRegion opened, SharedRegion::Open(directory_.get(), std::move(spec)));
  const auto region = std::make_shared<const SharedRegion>(std::move(opened));
  const absl::MutexLock lock(&mutex_);
  const std::string& name = region->spec().name;
  if (regions_.contains(name)) {
    return absl::AlreadyExistsError(StrCat("shared memory region '", BoundedUtf8(name, 256),
                                           "' already in manager; unregister it first"));
  }
  if (regions_.size() >= max_regions_) {
    return absl::ResourceExhaustedError(
        StrCat("there are ", max_regions_,
               " shared memory regions, the most that this server takes; unregister some"));
  }
  regions_.emplace(name, region);
  return absl::OkStatus();
}

void SharedMemory::Unregister(std::string_view name) {
  // Closed after the lock is released: with its last descriptor an unlinked file's memory is freed.
  std::shared_ptr<const SharedRegion> region;
  const absl::MutexLock lock(&mutex_);
  const auto it = regions_.find(name);
  if (it == regions_.end()) return;
  region = std::move(it->second);
  regions_.erase(it);
}

void SharedMemory::UnregisterAll() {
  decltype(regions_) regions;  // Likewise.
  const absl::MutexLock lock(&mutex_);
  regions.swap(regions_);
}

std::vector<RegionSpec> SharedMemory::List() const {
  std::vector<RegionSpec> specs;
  const absl::MutexLock lock(&mutex_);
  specs.reserve(regions_.size());
  for (const auto& [name, region] : regions_) specs.push_back(region->spec());
  return specs;
}

absl::StatusOr<std::shared_ptr<const SharedRegion>> SharedMemory::Find(
    std::string_view name) const {
  const absl::MutexLock lock(&mutex_);
  const auto it = regions_.find(name);
  if (it == regions_.end()) {
    return absl::NotFoundError(StrCat("Unable to find shared memory region: '",
                                      BoundedUtf8(name, 256), "'; register it first"));
  }
  return it->second;
}

}  // namespace tiffin::gateway::kserve
