#pragma once

namespace tiffin {

// All programs allocate by tcmalloc, whose threads have caches of their own; builds with sanitizers
// by the sanitizer's allocator.

// Gives memory that was needed for a while, and is free, back to the kernel, if it is much.
// Thread-safe.
void ReturnFreeMemory();

}  // namespace tiffin
