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
      : memory_(memory), allocation_(allocation), id_(id) {}
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
};

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

absl::StatusOr<std::shared_ptr<const SegmentBuffer>> GatewayMemory::MakeInSegment(uint64_t size,
                                                                                  FillBytes fill) {
  ASSIGN_OR_RETURN(const shm::Allocation allocation, pool_.Allocate(size));
  for (const shm::SegmentPool::NewSegment& made : pool_.TakeNewSegments()) {
    ids_[made.index] = names_.Next();
  }
  auto buffer = std::make_shared<const OwnBuffer>(*this, allocation, ids_.at(allocation.segment));
  RETURN_IF_ERROR(fill(allocation.bytes));
  return buffer;
}

void GatewayMemory::DropIdle() {
  for (const uint64_t index : pool_.DropIdle()) {
    const auto id = ids_.find(index);
    names_.Gone(id->second);
    ids_.erase(id);
  }
}

}  // namespace tiffin::gateway
