#include "gateway/api/kserve/shared_region.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::kserve {
namespace {

constexpr size_t kMaxName = 256;
constexpr size_t kPiece = size_t{1} << 20;

std::string Quoted(std::string_view text) { return StrCat("'", BoundedUtf8(text, kMaxName), "'"); }

absl::Status CannotRegister(const RegionSpec& spec, std::string_view why) {
  return absl::InvalidArgumentError(
      StrCat("failed to register shared memory region ", Quoted(spec.name), ": ", why));
}

// The name of a file in the folder itself; nothing else can be opened.
absl::StatusOr<std::string> FileName(const RegionSpec& spec) {
  std::string_view name = spec.key;
  if (name.starts_with('/')) name.remove_prefix(1);
  if (name.empty() || name == "." || name == ".." || name.size() > NAME_MAX ||
      name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
    return CannotRegister(spec, StrCat("the key ", Quoted(spec.key),
                                       " must be the name of a file in /dev/shm, as '/example'"));
  }
  return std::string(name);
}

absl::Status CannotOpen(const RegionSpec& spec, int error) {
  const std::string what = StrCat("Unable to open shared memory region: ", Quoted(spec.key), ": ");
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(
          StrCat(what, "there is no such file in the server's /dev/shm; create it first"));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(
          StrCat(what, "the server's user may not read and write it; change its mode or owner"));
    case ELOOP:
      return absl::InvalidArgumentError(StrCat(what, "it is a symbolic link; name the file"));
    case EISDIR:
    case ENXIO:
      return absl::InvalidArgumentError(StrCat(what, "it is no regular file"));
    case EWOULDBLOCK:
      return absl::UnavailableError(
          StrCat(what, "a process has a lease on it; register it when that has been given up"));
    default:
      return absl::Status(absl::ErrnoToStatusCode(error),
                          StrCat(what, ToStd(absl::ErrnoToStatus(error, "open").message())));
  }
}

// A write past the limit on the size of files would be a signal, and end the process.
uint64_t MaxFileSize() {
  constexpr auto kMaxOffset = static_cast<uint64_t>(std::numeric_limits<off_t>::max());
  rlimit limit = {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kMaxOffset;
  return std::min<uint64_t>(limit.rlim_cur, kMaxOffset);
}

absl::Status CheckSize(const RegionSpec& spec, uint64_t file_size) {
  if (spec.byte_size == 0) {
    return CannotRegister(spec, "invalid args: its byte_size is 0; give it at least one byte");
  }
  const uint64_t size = std::min(file_size, MaxFileSize());
  if (spec.offset > size || spec.byte_size > size - spec.offset) {
    return CannotRegister(
        spec, StrCat("invalid args: offset ", spec.offset, " and byte_size ", spec.byte_size,
                     " reach past the end of ", Quoted(spec.key), ", which has ", file_size,
                     size < file_size ? " (the server's limit on files is lower)" : "", " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SharedRegion> SharedRegion::Open(int directory, RegionSpec spec) {
  if (spec.name.empty() || spec.name.size() > kMaxName ||
      spec.name.find('\0') != std::string::npos) {
    return CannotRegister(
        spec, StrCat("a region's name has 1 to ", kMaxName, " bytes, none of which is 0"));
  }
  ASSIGN_OR_RETURN(const std::string file_name, FileName(spec));
  // O_NONBLOCK: a named pipe, or a file on which somebody has a lease, would make the open wait.
  UniqueFd file(::openat(directory, file_name.c_str(),
                         O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) return CannotOpen(spec, errno);
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) return CannotOpen(spec, errno);
  if (!S_ISREG(info.st_mode)) return CannotOpen(spec, ENXIO);
  RETURN_IF_ERROR(CheckSize(spec, static_cast<uint64_t>(info.st_size)));
  return SharedRegion(std::move(file), std::move(spec));
}

absl::Status SharedRegion::CheckRange(uint64_t offset, uint64_t size) const {
  // In Triton's words, which clients know.
  if (offset >= spec_.byte_size) {
    return absl::InvalidArgumentError(
        StrCat("Invalid offset for shared memory region: ", Quoted(spec_.name), ": ", offset,
               " of ", spec_.byte_size, " bytes"));
  }
  if (size > spec_.byte_size - offset) {
    return absl::InvalidArgumentError(
        StrCat("Invalid offset + byte size for shared memory region: ", Quoted(spec_.name), ": ",
               offset, " + ", size, " of ", spec_.byte_size, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status SharedRegion::TooShort() const {
  return absl::InvalidArgumentError(
      StrCat("shared memory region ", Quoted(spec_.name), ": the file ", Quoted(spec_.key),
             " has become too short for it; keep its size while it is registered"));
}

absl::Status SharedRegion::Read(uint64_t offset, std::span<std::byte> bytes) const {
  RETURN_IF_ERROR(CheckRange(offset, bytes.size()));
  uint64_t position = spec_.offset + offset;
  while (!bytes.empty()) {
    const ssize_t count =
        ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, StrCat("reading ", Quoted(spec_.key)));
    if (count == 0) return TooShort();
    bytes = bytes.subspan(static_cast<size_t>(count));
    position += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

absl::Status SharedRegion::Write(uint64_t offset, std::span<const std::byte> bytes) const {
  RETURN_IF_ERROR(CheckRange(offset, bytes.size()));
  uint64_t position = spec_.offset + offset;
  while (!bytes.empty()) {
    const std::span<const std::byte> piece = bytes.first(std::min(bytes.size(), kPiece));
    struct stat info = {};
    if (::fstat(file_.get(), &info) != 0 ||
        static_cast<uint64_t>(info.st_size) < position + piece.size()) {
      return TooShort();
    }
    const ssize_t count =
        ::pwrite(file_.get(), piece.data(), piece.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      // No room in /dev/shm, for one: a file's memory is allocated where it is first written.
      return absl::ErrnoToStatus(errno, StrCat("writing to ", Quoted(spec_.key)));
    }
    bytes = bytes.subspan(static_cast<size_t>(count));
    position += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

}  // namespace tiffin::gateway::kserve
