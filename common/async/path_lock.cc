#include "common/async/path_lock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "common/strings.h"

namespace tiffin {

absl::StatusOr<PathLock> PathLock::Take(const std::string& path) {
  std::string file = StrCat(path, ".lock");
  const int fd = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return absl::UnavailableError(
        StrCat("can't listen on unix:", path, ": ", file, ": ", strerror(errno)));
  }
  PathLock lock(std::move(file), fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    lock.file_.clear();  // Somebody else's to remove.
    return absl::UnavailableError(StrCat("can't listen on unix:", path,
                                         ": another server has it (it holds ", path, ".lock)"));
  }
  return lock;
}

PathLock& PathLock::operator=(PathLock&& other) noexcept {
  Release();
  file_ = std::move(other.file_);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

void PathLock::Release() {
  if (fd_ < 0) return;
  if (!file_.empty()) unlink(file_.c_str());
  close(std::exchange(fd_, -1));
}

}  // namespace tiffin
