#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/shm/free_list.h"
#include "common/shm/segment.h"
#include "common/shm/segment_budget.h"

namespace tiffin::shm {

struct PoolLimits {
  uint64_t first_segment = uint64_t{4} << 20;
  uint64_t largest_segment = uint64_t{64} << 20;  // Of the doubling series; a tensor may need more.
  uint64_t total = uint64_t{1} << 30;
  // What this pool may have together with others; null: nothing but `total` limits it.
  SegmentBudget* shared = nullptr;
  absl::Duration idle = absl::Seconds(10);
};

// `total`, cut to half of the memory that this process's cgroup (v2, ancestors too) still allows:
// beyond it, allocating means being killed. Zero when nothing is left. See common/cgroup.h.
uint64_t LimitByCgroup(uint64_t total);

// A piece of a segment. The bytes stay valid until it is given back to the pool by Free.
struct Allocation {
  uint64_t segment = 0;  // Index; 0 is never used.
  uint64_t offset = 0;
  std::span<std::byte> bytes;  // Of the size that was asked for.
};

// All segments of one owner, and their free lists in its private memory. The first segment has 4
// MiB, each next twice the last, to 64 MiB; a tensor that would fill more than half of the next one
// gets one of its own, rounded up to a power of two (and shares it only when all else is full, lest
// small tensors keep a big one from coming back). What exists is used first. Near the limit,
// segments are made smaller, and those that are wholly free make room for others. Segments are kept
// and reused, and dropped whole when nothing was in them for 10 s; without any, the series starts
// anew. Indices are never reused. Not thread-safe: the owner locks.
class SegmentPool {
 public:
  // `clock` must outlive the pool.
  SegmentPool(PoolLimits limits, const Clock& clock)
      : limits_(limits), clock_(clock), next_size_(limits.first_segment) {}
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  // 64-byte aligned, also when `size` is 0. RESOURCE_EXHAUSTED at once when the limit would be
  // passed.
  absl::StatusOr<Allocation> Allocate(uint64_t size);
  // Aborts on anything that Allocate has not returned, or that was freed already.
  void Free(const Allocation& allocation);

  // The segments made since the last call, to be announced before anyone is given a reference.
  struct NewSegment {
    uint64_t index;
    uint64_t size;
    int fd;  // The pool's; valid as long as the segment: until the next Allocate, DropIdle or
             // DropFree.
  };
  std::vector<NewSegment> TakeNewSegments();
  // Drops what has been idle long enough. Returns the indices of these, and of those that made room
  // since the last call, to be announced as gone; without those that TakeNewSegments never
  // returned.
  std::vector<uint64_t> DropIdle();
  // Drops what nothing is in. DropIdle tells of it.
  void DropFree();

  uint64_t total_bytes() const { return total_bytes_; }          // Of the segments.
  uint64_t allocated_bytes() const { return allocated_bytes_; }  // Handed out and not freed.
  size_t segment_count() const { return segments_.size(); }
  // Of a segment that exists; they abort on any other.
  int fd(uint64_t index) const;
  uint64_t segment_size(uint64_t index) const;
  std::span<std::byte> bytes(uint64_t index) const;

 private:
  enum class Use { kMany, kOneTensor };
  struct Entry {
    OwnedSegment segment;
    FreeList free_list;
    Use use;
    absl::Time idle_since;  // Since when nothing is in it; without meaning while something is.
  };
  using Segments = std::map<uint64_t, Entry>;

  std::optional<Allocation> AllocateIn(Segments::value_type& entry, uint64_t size);
  std::optional<Allocation> AllocateInExisting(uint64_t size);
  // The first place that is large enough, also in segments kept for one big tensor.
  std::optional<Allocation> AllocateAnywhere(uint64_t size);
  // Drops wholly free segments until `size` bytes can be made. False, and nothing is dropped, if
  // that can't be.
  bool MakeRoom(uint64_t size);
  // What more segments may have.
  uint64_t Remaining() const;
  // Its bytes are taken from the shared budget by now.
  absl::StatusOr<Segments::iterator> AddSegment(uint64_t size, Use use);
  Segments::iterator Drop(Segments::iterator entry);
  const OwnedSegment& segment(uint64_t index) const;

  PoolLimits limits_;
  const Clock& clock_;
  Segments segments_;
  std::vector<uint64_t> unannounced_;  // Made since TakeNewSegments.
  std::vector<uint64_t> gone_;         // Dropped since DropIdle.
  uint64_t next_index_ = 1;
  uint64_t next_size_;
  uint64_t total_bytes_ = 0;
  uint64_t allocated_bytes_ = 0;  // As asked for, without the rounding.
};

}  // namespace tiffin::shm
