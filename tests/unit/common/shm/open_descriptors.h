#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace tiffin::shm {

// How many descriptors this process has open. The one that reads the folder counts each time.
inline size_t OpenDescriptors() {
  namespace fs = std::filesystem;
  return static_cast<size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

}  // namespace tiffin::shm
