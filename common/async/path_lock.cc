#include "common/async/path_lock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/strings.h"

namespace tiffin {
namespace {

constexpr int kAttempts = 3;

bool IsStillAt(int fd, const std::string& file) {
  struct stat opened = {};
  struct stat named = {};
  return fstat(fd, &opened) == 0 && stat(file.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

}  // namespace

absl::StatusOr<PathLock> PathLock::Take(const std::string& path) {
  std::string file = StrCat(path, ".lock");
  // Again if the holder before removed the file between our open and our lock.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int fd = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
      return absl::UnavailableError(
          StrCat("can't listen on unix:", path, ": ", file, ": ", strerror(errno)));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      close(fd);
      break;
    }
    if (IsStillAt(fd, file)) return PathLock(std::move(file), fd);
    close(fd);
  }
  return absl::UnavailableError(
      StrCat("can't listen on unix:", path, ": another server has it (it holds ", file, ")"));
}

PathLock& PathLock::operator=(PathLock&& other) noexcept {
  Release();
  file_ = std::move(other.file_);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

void PathLock::Release() {
  if (fd_ < 0) return;
  unlink(file_.c_str());
  close(std::exchange(fd_, -1));
}

}  // namespace tiffin
