#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/unique_fd.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::gateway::testing {

// A folder of its own in /dev/shm, with files as clients make them.
class SharedFiles {
 public:
  SharedFiles();

  const std::string& path() const { return folder_.path(); }
  std::string PathOf(std::string_view name) const;
  // What SharedRegion::Open asks for.
  int descriptor() const { return descriptor_.get(); }

  void Write(std::string_view name, std::string_view content) const;
  std::string Read(std::string_view name) const;
  // As `truncate` does.
  void Resize(std::string_view name, uint64_t size) const;
  void Remove(std::string_view name) const;

 private:
  TemporaryFolder folder_{"/dev/shm/"};
  UniqueFd descriptor_;
};

// Descriptors that this process has open.
size_t OpenDescriptors();

}  // namespace tiffin::gateway::testing
