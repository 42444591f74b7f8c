#include "common/security/watched_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/strings.h"
#include "common/unique_fd.h"

namespace tiffin::security {
namespace {

constexpr size_t kMaxFileSize = 1 << 20;

}  // namespace

WatchedFiles::WatchedFiles(std::vector<std::filesystem::path> files)
    : files_(std::move(files)), known_(Look()), seen_(known_) {}

bool WatchedFiles::Changed() {
  Stamps now = Look();
  const bool stayed = now == seen_;
  seen_ = std::move(now);
  if (!stayed || seen_ == known_) return false;
  known_ = seen_;
  return true;
}

WatchedFiles::Stamps WatchedFiles::Look() const {
  Stamps stamps;
  for (const std::filesystem::path& file : files_) {
    struct stat status = {};
    Stamp& stamp = stamps.emplace_back();
    if (::stat(file.c_str(), &status) != 0) continue;
    stamp = {
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = status.st_size,
        .modified_ns = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
  }
  return stamps;
}

absl::StatusOr<std::string> ReadNamedFile(std::string_view flag,
                                          const std::filesystem::path& path) {
  const auto failed = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        StrCat(flag, " '", path.native(), "': ", why, "; name a file that this user may read"));
  };
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return failed(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return failed("it is not a file");
  std::string contents;
  std::array<char, 16384> piece{};
  while (true) {
    const ssize_t count = ::read(file.get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(std::strerror(errno));
    if (count == 0) return contents;
    contents.append(piece.data(), static_cast<size_t>(count));
    if (contents.size() > kMaxFileSize) return failed("it is larger than 1 MiB");
  }
}

}  // namespace tiffin::security
