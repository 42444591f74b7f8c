#include <cstddef>

#include "common/allocator/allocator.h"
#include "gperftools/malloc_extension.h"

namespace tiffin {

void ReturnFreeMemory() {
  constexpr size_t kMuch = 32 << 20;
  MallocExtension& allocator = *MallocExtension::instance();
  size_t free = 0;
  if (allocator.GetNumericProperty("tcmalloc.pageheap_free_bytes", &free) && free > kMuch) {
    allocator.ReleaseFreeMemory();
  }
}

}  // namespace tiffin
