#pragma once

#include <cstdio>
#include <cstdlib>

namespace tiffin::shm {

// Aborts with `what` unless `holds`: for broken invariants of this process, never for what others
// sent. Going on with broken book-keeping would hand the same memory to two writers.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "tiffin: shared memory: %s\n", what);
  std::abort();
}

}  // namespace tiffin::shm
