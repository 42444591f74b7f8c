#include "common/shm/free_list.h"

#include <algorithm>
#include <iterator>

#include "common/shm/invariant.h"

namespace tiffin::shm {
namespace {

constexpr uint64_t kUnit = 64;

// Must not be called with a size within kUnit of the largest uint64.
uint64_t RoundUp(uint64_t size) {
  return (std::max<uint64_t>(size, 1) + kUnit - 1) / kUnit * kUnit;
}

}  // namespace

FreeList::FreeList(uint64_t size) : size_(size / kUnit * kUnit), free_bytes_(size_) {
  if (size_ > 0) free_.emplace(0, size_);
}

std::optional<uint64_t> FreeList::Allocate(uint64_t size) {
  if (size > free_bytes_) return std::nullopt;
  const uint64_t needed = RoundUp(size);
  const auto part = std::find_if(free_.begin(), free_.end(),
                                 [needed](const auto& entry) { return entry.second >= needed; });
  if (part == free_.end()) return std::nullopt;
  const auto [offset, available] = *part;
  const auto next = free_.erase(part);
  if (available > needed) free_.emplace_hint(next, offset + needed, available - needed);
  allocated_.emplace(offset, needed);
  free_bytes_ -= needed;
  return offset;
}

void FreeList::Free(uint64_t offset, uint64_t size) {
  const auto allocation = allocated_.find(offset);
  Require(allocation != allocated_.end(), "freed an offset that is not allocated");
  Require(size <= size_ && allocation->second == RoundUp(size),
          "freed an allocation with another size than it has");
  uint64_t freed = allocation->second;
  allocated_.erase(allocation);
  free_bytes_ += freed;

  auto next = free_.lower_bound(offset);
  if (next != free_.end() && next->first == offset + freed) {
    freed += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += freed;
      return;
    }
  }
  free_.emplace_hint(next, offset, freed);
}

}  // namespace tiffin::shm
