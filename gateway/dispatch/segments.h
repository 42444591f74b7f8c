#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/shm/segment.h"
#include "common/shm/segment_budget.h"
#include "common/shm/segment_pool.h"
#include "gateway/graph/value.h"
#include "gateway/metrics/metrics.h"

// The memory that a loop's values lie in: the gateway's own segments, and those of workers. All of
// it is used on the loop's thread.
namespace tiffin::gateway {

// A segment as the loop's sessions name it to workers, whoever owns it.
struct SegmentName {
  uint64_t id = 0;
  int fd = -1;  // Valid as long as what names it.
  uint64_t size = 0;
};

// Gives segments their ids, and tells who wants to know when one is gone. Outlives all segments.
class SegmentNames {
 public:
  using OnGone = absl::AnyInvocable<void(uint64_t id)>;

  uint64_t Next() { return ++last_; }
  void Gone(uint64_t id) {
    if (on_gone_ != nullptr) on_gone_(id);
  }
  // One listener; null to stop.
  void Listen(OnGone on_gone) { on_gone_ = std::move(on_gone); }

 private:
  uint64_t last_ = 0;
  OnGone on_gone_;
};

// A worker's segment. Shared by the session that received it and by every buffer in it, so that a
// tensor outlives its maker; the last one tells SegmentNames.
class WorkerSegment {
 public:
  WorkerSegment(shm::ForeignSegment segment, SegmentNames& names, metrics::Gauge& bytes)
      : segment_(std::move(segment)),
        names_(names),
        id_(names.Next()),
        counted_(bytes, static_cast<int64_t>(segment_.size())) {}
  ~WorkerSegment() { names_.Gone(id_); }
  WorkerSegment(const WorkerSegment&) = delete;
  WorkerSegment& operator=(const WorkerSegment&) = delete;

  SegmentName name() const { return {.id = id_, .fd = segment_.fd(), .size = segment_.size()}; }
  absl::StatusOr<std::span<const std::byte>> Map() { return segment_.Map(); }

 private:
  shm::ForeignSegment segment_;
  SegmentNames& names_;
  const uint64_t id_;
  metrics::Held counted_;
};

// Bytes that can be given to a worker by reference.
class SegmentBuffer : public Buffer {
 public:
  virtual SegmentName segment() const = 0;
  virtual uint64_t offset() const = 0;
  // Likewise, if it begins on a boundary that references may have.
  std::shared_ptr<const Buffer> Part(uint64_t offset, uint64_t size) const override;
};

// The gateway's own segments of a loop: what clients sent, written once. Outlives its values. Where
// the limits have a budget that the memories of all loops share, what one of them has free is given
// up when another needs it; that is all that other threads do here.
class GatewayMemory : public ValueAllocator, private shm::SegmentBudget::Sharer {
 public:
  GatewayMemory(shm::PoolLimits limits, const Clock& clock, SegmentNames& names,
                metrics::GatewayMetrics& metrics);
  ~GatewayMemory() override;

  absl::StatusOr<Value> Make(DataType dtype, Shape shape, uint64_t size, FillBytes fill) override;
  // In a segment, whatever the size.
  absl::StatusOr<std::shared_ptr<const SegmentBuffer>> CopyToSegment(
      std::span<const std::byte> bytes);
  // Of a segment, to be filled by and by; nobody is given it before that is done.
  struct Room {
    std::shared_ptr<const SegmentBuffer> buffer;
    std::span<std::byte> bytes;
  };
  absl::StatusOr<Room> MakeRoom(uint64_t size);
  // To be called now and then.
  void DropIdle();

  uint64_t allocated_bytes() const;

 private:
  class OwnBuffer;

  void DropFree() override;
  absl::StatusOr<std::shared_ptr<const SegmentBuffer>> MakeInSegment(uint64_t size, FillBytes fill);
  // In one of the pool's segments, whose name is told with it.
  struct Place {
    shm::Allocation allocation;
    SegmentName segment;
  };
  absl::StatusOr<Place> Allocate(uint64_t size);
  void Free(const shm::Allocation& allocation);
  void CountSegments() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  shm::SegmentBudget* const shared_;  // May be null.
  SegmentNames& names_;
  metrics::GatewayMetrics& metrics_;
  mutable absl::Mutex mutex_;
  shm::SegmentPool pool_ ABSL_GUARDED_BY(mutex_);
  // Bytes, in the metric that all loops share.
  int64_t counted_segments_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, uint64_t> ids_;  // The pool's index -> the id.
};

}  // namespace tiffin::gateway
