#include "gateway/graph/value.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "common/status_macros.h"
#include "gateway/graph/buffer_part.h"

namespace tiffin::gateway {
namespace {

// As in a segment, so that engines may use the widest loads on both.
constexpr std::align_val_t kAlignment{64};

void CopyTo(std::span<std::byte> out, std::span<const std::byte> bytes) {
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
}

class HeapBuffer : public Buffer {
 public:
  explicit HeapBuffer(size_t size)
      : data_(static_cast<std::byte*>(::operator new(std::max<size_t>(size, 1), kAlignment))),
        size_(size) {}
  ~HeapBuffer() override { ::operator delete(data_, kAlignment); }
  HeapBuffer(const HeapBuffer&) = delete;
  HeapBuffer& operator=(const HeapBuffer&) = delete;

  absl::StatusOr<std::span<const std::byte>> Bytes() const override {
    return std::span<const std::byte>(data_, size_);
  }
  uint64_t size() const override { return size_; }
  // For who makes it, before anybody reads.
  std::span<std::byte> writable() { return {data_, size_}; }

 private:
  std::byte* const data_;
  const size_t size_;
};

}  // namespace

std::shared_ptr<const Buffer> Buffer::Part(uint64_t offset, uint64_t size) const {
  return std::make_shared<BufferPart<Buffer>>(shared_from_this(), offset, size);
}

absl::StatusOr<TensorView> Value::View() const {
  if (buffer == nullptr) return absl::InternalError("a value without a buffer was read");
  ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, buffer->Bytes());
  return TensorView{dtype, shape, bytes};
}

Value HeapValue(DataType dtype, Shape shape, std::string_view bytes) {
  const std::array pieces = {AsBytes(bytes)};
  return HeapValue(dtype, std::move(shape), pieces);
}

Value HeapValue(DataType dtype, Shape shape, std::span<const std::span<const std::byte>> pieces) {
  size_t size = 0;
  for (const auto& piece : pieces) size += piece.size();
  auto buffer = std::make_shared<HeapBuffer>(size);
  std::span<std::byte> rest = buffer->writable();
  for (const auto& piece : pieces) {
    CopyTo(rest, piece);
    rest = rest.subspan(piece.size());
  }
  return Value{dtype, std::move(shape), std::move(buffer)};
}

absl::StatusOr<Value> HeapValue(DataType dtype, Shape shape, uint64_t size, FillBytes fill) {
  auto buffer = std::make_shared<HeapBuffer>(size);
  RETURN_IF_ERROR(fill(buffer->writable()));
  return Value{dtype, std::move(shape), std::move(buffer)};
}

absl::StatusOr<Value> ValueAllocator::Copy(DataType dtype, Shape shape,
                                           std::span<const std::byte> bytes) {
  return Make(dtype, std::move(shape), bytes.size(), [bytes](std::span<std::byte> out) {
    CopyTo(out, bytes);
    return absl::OkStatus();
  });
}

}  // namespace tiffin::gateway
