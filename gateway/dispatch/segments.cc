#include "gateway/dispatch/segments.h"

#include <cstring>
#include <utility>

#include "common/session/frames.h"
#include "common/shm/reference.h"
#include "common/status_macros.h"
#include "gateway/graph/buffer_part.h"

namespace tiffin::gateway {
namespace {

class SegmentBufferPart : public BufferPart<SegmentBuffer> {
 public:
  using BufferPart::BufferPart;
  uint64_t offset() const override { return whole().offset() + start(); }
  SegmentName segment() const override { return whole().segment(); }
};

}  // namespace

std::shared_ptr<const Buffer> SegmentBuffer::Part(uint64_t offset, uint64_t size) const {
  if (offset % shm::kAlignment != 0) return Buffer::Part(offset, size);
  return std::make_shared<SegmentBufferPart>(
      std::static_pointer_cast<const SegmentBuffer>(shared_from_this()), offset, size);
}

class GatewayMemory::OwnBuffer : public SegmentBuffer {
 public:
  OwnBuffer(GatewayMemory& memory, Place place)
      : memory_(memory),
        place_(place),
        counted_(memory.metrics_.tensor_bytes,
                 static_cast<int64_t>(place.allocation.bytes.size())) {}
  ~OwnBuffer() override { memory_.Free(place_.allocation); }
  OwnBuffer(const OwnBuffer&) = delete;
  OwnBuffer& operator=(const OwnBuffer&) = delete;

  absl::StatusOr<std::span<const std::byte>> Bytes() const override {
    return place_.allocation.bytes;
  }
  uint64_t size() const override { return place_.allocation.bytes.size(); }
  uint64_t offset() const override { return place_.allocation.offset; }
  SegmentName segment() const override { return place_.segment; }

 private:
  GatewayMemory& memory_;
  const Place place_;
  metrics::Held counted_;
};

GatewayMemory::GatewayMemory(shm::PoolLimits limits, const Clock& clock, SegmentNames& names,
                             metrics::GatewayMetrics& metrics)
    : shared_(limits.shared), names_(names), metrics_(metrics), pool_(limits, clock) {
  if (shared_ != nullptr) shared_->Join(*this);
}

GatewayMemory::~GatewayMemory() {
  if (shared_ != nullptr) shared_->Leave(*this);
  const absl::MutexLock lock(&mutex_);
  metrics_.segment_bytes.Add(-counted_segments_);
}

absl::StatusOr<Value> GatewayMemory::Make(DataType dtype, Shape shape, uint64_t size,
                                          FillBytes fill) {
  if (size <= session::kInlineLimit) return HeapValue(dtype, std::move(shape), size, fill);
  ASSIGN_OR_RETURN(std::shared_ptr<const SegmentBuffer> buffer, MakeInSegment(size, fill));
  return Value{.dtype = dtype, .shape = std::move(shape), .buffer = std::move(buffer)};
}

absl::StatusOr<std::shared_ptr<const SegmentBuffer>> GatewayMemory::CopyToSegment(
    std::span<const std::byte> bytes) {
  return MakeInSegment(bytes.size(), [bytes](std::span<std::byte> out) {
    if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return absl::OkStatus();
  });
}

absl::StatusOr<GatewayMemory::Room> GatewayMemory::MakeRoom(uint64_t size) {
  Room room;
  ASSIGN_OR_RETURN(room.buffer, MakeInSegment(size, [&room](std::span<std::byte> out) {
                     room.bytes = out;
                     return absl::OkStatus();
                   }));
  return room;
}

absl::StatusOr<std::shared_ptr<const SegmentBuffer>> GatewayMemory::MakeInSegment(uint64_t size,
                                                                                  FillBytes fill) {
  absl::StatusOr<Place> place = Allocate(size);
  if (absl::IsResourceExhausted(place.status()) && shared_ != nullptr) {
    shared_->AskOthers(*this);
    place = Allocate(size);
  }
  RETURN_IF_ERROR(place.status());
  auto buffer = std::make_shared<const OwnBuffer>(*this, *place);
  RETURN_IF_ERROR(fill(place->allocation.bytes));
  return buffer;
}

absl::StatusOr<GatewayMemory::Place> GatewayMemory::Allocate(uint64_t size) {
  const absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const shm::Allocation allocation, pool_.Allocate(size));
  for (const shm::SegmentPool::NewSegment& made : pool_.TakeNewSegments()) {
    ids_[made.index] = names_.Next();
    CountSegments();
  }
  return Place{.allocation = allocation,
               .segment = {.id = ids_.at(allocation.segment),
                           .fd = pool_.fd(allocation.segment),
                           .size = pool_.segment_size(allocation.segment)}};
}

void GatewayMemory::Free(const shm::Allocation& allocation) {
  const absl::MutexLock lock(&mutex_);
  pool_.Free(allocation);
}

uint64_t GatewayMemory::allocated_bytes() const {
  const absl::MutexLock lock(&mutex_);
  return pool_.allocated_bytes();
}

void GatewayMemory::DropFree() {
  const absl::MutexLock lock(&mutex_);
  pool_.DropFree();
  CountSegments();
}

void GatewayMemory::DropIdle() {
  std::vector<uint64_t> dropped;
  {
    const absl::MutexLock lock(&mutex_);
    dropped = pool_.DropIdle();
    CountSegments();
  }
  for (const uint64_t index : dropped) {
    const auto id = ids_.find(index);
    names_.Gone(id->second);
    ids_.erase(id);
  }
}

void GatewayMemory::CountSegments() {
  const auto now = static_cast<int64_t>(pool_.total_bytes());
  metrics_.segment_bytes.Add(now - std::exchange(counted_segments_, now));
}

}  // namespace tiffin::gateway
