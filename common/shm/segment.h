#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "boost/interprocess/mapped_region.hpp"
#include "common/unique_fd.h"

namespace tiffin::shm {

// Memory that this process writes and others read: a memfd of a fixed size, allocated, mapped, then
// sealed (SHRINK, GROW, FUTURE_WRITE, SEAL), so that the kernel refuses anyone else's write, resize
// or writable mapping, and frees it with its last descriptor and mapping. The owner must not fork
// without exec: a child keeps the writable mapping. Move-only; destruction unmaps and closes.
class OwnedSegment {
 public:
  // RESOURCE_EXHAUSTED when the memory is not to be had. `name` is what /proc shows.
  static absl::StatusOr<OwnedSegment> Create(uint64_t size, const char* name = "tiffin-segment");

  std::span<std::byte> bytes() const;
  uint64_t size() const { return region_.get_size(); }
  int fd() const { return fd_.get(); }

 private:
  OwnedSegment(UniqueFd fd, boost::interprocess::mapped_region region)
      : fd_(std::move(fd)), region_(std::move(region)) {}

  UniqueFd fd_;
  boost::interprocess::mapped_region region_;
};

// Somebody else's segment: checked when it is received, mapped read-only on first use (a gateway
// passes most of them on without ever looking inside). Move-only. Not thread-safe.
class ForeignSegment {
 public:
  // FAILED_PRECONDITION unless all four seals are set, the size is `size`, and the memory is really
  // allocated (st_blocks * 512 >= size): else its owner could make a reader die of SIGBUS.
  static absl::StatusOr<ForeignSegment> Receive(UniqueFd fd, uint64_t size);

  // INTERNAL if the kernel refuses the mapping.
  absl::StatusOr<std::span<const std::byte>> Map();
  // The mapping, whose end is the caller's business: the next Map makes another.
  boost::interprocess::mapped_region ReleaseMapping() { return std::move(region_); }
  uint64_t size() const { return size_; }
  int fd() const { return fd_.get(); }

 private:
  ForeignSegment(UniqueFd fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}

  UniqueFd fd_;
  uint64_t size_ = 0;
  boost::interprocess::mapped_region region_;
};

}  // namespace tiffin::shm
