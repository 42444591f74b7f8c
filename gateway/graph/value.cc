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

class HeapBuffer : public Buffer {
 public:
  explicit HeapBuffer(std::span<const std::span<const std::byte>> pieces) {
    for (const auto& piece : pieces) size_ += piece.size();
    data_ = static_cast<std::byte*>(::operator new(std::max<size_t>(size_, 1), kAlignment));
    std::byte* end = data_;
    for (const auto& piece : pieces) {
      if (!piece.empty()) std::memcpy(end, piece.data(), piece.size());
      end += piece.size();
    }
  }
  ~HeapBuffer() override { ::operator delete(data_, kAlignment); }
  HeapBuffer(const HeapBuffer&) = delete;
  HeapBuffer& operator=(const HeapBuffer&) = delete;

  absl::StatusOr<std::span<const std::byte>> Bytes() const override {
    return std::span<const std::byte>(data_, size_);
  }
  uint64_t size() const override { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
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
  return Value{dtype, std::move(shape), std::make_shared<HeapBuffer>(pieces)};
}

}  // namespace tiffin::gateway
