#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace tiffin {

// The right to listen at a Unix path, as long as this lives: a lock on PATH.lock, which the kernel
// lets go with the process. Move-only; destruction removes the file.
class PathLock {
 public:
  // UNAVAILABLE if another process has it.
  static absl::StatusOr<PathLock> Take(const std::string& path);

  PathLock(PathLock&& other) noexcept
      : file_(std::move(other.file_)), fd_(std::exchange(other.fd_, -1)) {}
  PathLock& operator=(PathLock&& other) noexcept;
  ~PathLock() { Release(); }

 private:
  PathLock(std::string file, int fd) : file_(std::move(file)), fd_(fd) {}
  void Release();

  std::string file_;
  int fd_ = -1;
};

}  // namespace tiffin
