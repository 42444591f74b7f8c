#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "common/unique_fd.h"
#include "tests/fuzz/fuzz.h"

namespace tiffin::fuzz {

// A file in memory, for what reads files by their names.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    Require(fd_.valid(), "there is memory for a file");
    Require(
        write(fd_.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()),
        "a file is written");
  }
  std::filesystem::path path() const { return StrCat("/proc/self/fd/", fd_.get()); }

 private:
  UniqueFd fd_;
};

}  // namespace tiffin::fuzz
