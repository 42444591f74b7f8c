#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "absl/container/flat_hash_map.h"

namespace tiffin::shm {

// Which parts of a range of bytes are free. Offsets and sizes are multiples of 64. First fit by
// address; neighbours are joined when freed. Lives in the owner's private memory. Not thread-safe.
class FreeList {
 public:
  // Bytes beyond the last multiple of 64 stay unused.
  explicit FreeList(uint64_t size);

  // `size` is rounded up to 64; zero bytes take one unit of 64 too, so that every allocation has
  // an offset of its own. nullopt if no free part is large enough.
  std::optional<uint64_t> Allocate(uint64_t size);
  // What Allocate returned and the size asked for; aborts on anything else.
  void Free(uint64_t offset, uint64_t size);

  uint64_t free_bytes() const { return free_bytes_; }
  bool all_free() const { return free_bytes_ == size_; }

 private:
  uint64_t size_;
  uint64_t free_bytes_;
  std::map<uint64_t, uint64_t> free_;                  // Offset -> size.
  absl::flat_hash_map<uint64_t, uint64_t> allocated_;  // Offset -> size, to refuse a wrong Free.
};

}  // namespace tiffin::shm
