#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "boost/interprocess/mapped_region.hpp"
#include "common/shm/segment.h"

namespace tiffin::worker {

// Somebody else's segment, for the calls whose inputs lie in it. Thread-safe.
class InputSegment {
 public:
  // Shared by the calls that read it, and by this until another one is needed.
  using Mapping = std::shared_ptr<const boost::interprocess::mapped_region>;

  explicit InputSegment(shm::ForeignSegment segment) : segment_(std::move(segment)) {}

  // INTERNAL if the kernel refuses it.
  absl::StatusOr<Mapping> Map();
  // What lies at `bytes` of one of its mappings stays there as it is now, whatever the segment's
  // owner writes: for who may read it after its call. Its pages become this process's own, so calls
  // to come get another mapping. RESOURCE_EXHAUSTED if there is no memory.
  absl::Status Freeze(const Mapping& mapping, std::span<const std::byte> bytes);

 private:
  absl::Mutex mutex_;
  shm::ForeignSegment segment_ ABSL_GUARDED_BY(mutex_);
  Mapping mapping_ ABSL_GUARDED_BY(mutex_);
};

// The bytes of a mapping.
inline std::span<const std::byte> BytesOf(const boost::interprocess::mapped_region& mapping) {
  return {static_cast<const std::byte*>(mapping.get_address()), mapping.get_size()};
}

}  // namespace tiffin::worker
