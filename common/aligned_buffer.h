#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace tiffin {

// Heap memory on a 64-byte boundary, as engines get theirs. Move-only.
class AlignedBuffer {
 public:
  static constexpr std::align_val_t kAlignment{64};

  AlignedBuffer() = default;
  // Uninitialised.
  explicit AlignedBuffer(size_t size)
      : memory_(static_cast<std::byte*>(::operator new[](size, kAlignment))), size_(size) {}
  static AlignedBuffer Copy(std::span<const std::byte> bytes) {
    AlignedBuffer copy(bytes.size());
    if (!bytes.empty()) std::memcpy(copy.memory_.get(), bytes.data(), bytes.size());
    return copy;
  }

  std::span<std::byte> bytes() const { return {memory_.get(), size_}; }

 private:
  struct Delete {
    void operator()(std::byte* memory) const { ::operator delete[](memory, kAlignment); }
  };

  std::unique_ptr<std::byte[], Delete> memory_;
  size_t size_ = 0;
};

}  // namespace tiffin
