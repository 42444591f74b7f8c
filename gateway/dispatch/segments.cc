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
  OwnBuffer(GatewayMemory& memory, shm::Allocation allocation, uint64_t id)
      : memory_(memory),
        allocation_(allocation),
        id_(id),
        counted_(memory.metrics_.tensor_bytes, static_cast<int64_t>(allocation.bytes.size())) {}
  ~OwnBuffer() override { memory_.pool_.Free(allocation_); }
  OwnBuffer(const OwnBuffer&) = delete;
  OwnBuffer& operator=(const OwnBuffer&) = delete;

  absl::StatusOr<std::span<const std::byte>> Bytes() const override { return allocation_.bytes; }
  uint64_t size() const override { return allocation_.bytes.size(); }
  uint64_t offset() const override { return allocation_.offset; }
  SegmentName segment() const override {
    return {.id = id_,
            .fd = memory_.pool_.fd(allocation_.segment),
            .size = memory_.pool_.segment_size(allocation_.segment)};
  }

 private:
  GatewayMemory& memory_;
  const shm::Allocation allocation_;
  const uint64_t id_;
  metrics::Held counted_;
};

GatewayMemory::~GatewayMemory() { metrics_.segment_bytes.Add(-counted_segments_); }

absl::StatusOr<Value> GatewayMemory::Copy(DataType dtype, Shape shape,
                                          std::span<const std::byte> bytes) {
  if (bytes.size() <= session::kInlineLimit) {
    return HeapValue(dtype, std::move(shape), std::string(AsStringView(bytes)));
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const SegmentBuffer> buffer, CopyToSegment(bytes));
  return Value{.dtype = dtype, .shape = std::move(shape), .buffer = std::move(buffer)};
}

absl::StatusOr<std::shared_ptr<const SegmentBuffer>> GatewayMemory::CopyToSegment(
    std::span<const std::byte> bytes) {
  ASSIGN_OR_RETURN(const shm::Allocation allocation, pool_.Allocate(bytes.size()));
  for (const shm::SegmentPool::NewSegment& made : pool_.TakeNewSegments()) {
    ids_[made.index] = names_.Next();
    CountSegments();
  }
  if (!bytes.empty()) std::memcpy(allocation.bytes.data(), bytes.data(), bytes.size());
  return std::make_shared<const OwnBuffer>(*this, allocation, ids_.at(allocation.segment));
}

void GatewayMemory::DropIdle() {
  for (const uint64_t index : pool_.DropIdle()) {
    const auto id = ids_.find(index);
    names_.Gone(id->second);
    ids_.erase(id);
  }
  CountSegments();
}

void GatewayMemory::CountSegments() {
  const auto now = static_cast<int64_t>(pool_.total_bytes());
  metrics_.segment_bytes.Add(now - std::exchange(counted_segments_, now));
}

}  // namespace tiffin::gateway
