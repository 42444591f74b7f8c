#include "common/model/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::model {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr size_t kCopyPiece = size_t{1} << 20;

absl::Status FileError(const std::filesystem::path& path, std::string_view what) {
  const int error = errno;
  if (error == ELOOP) {
    return absl::FailedPreconditionError(
        StrCat(path.string(), ": is a symbolic link; put the file itself there"));
  }
  return absl::ErrnoToStatus(error, ToAbsl(StrCat(path.string(), ": ", what)));
}

}  // namespace

absl::StatusOr<File> File::Open(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (fd < 0) return FileError(path, "can't be opened");
  return File(fd, path);
}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status File::CheckRegular() const {
  struct stat status = {};
  if (::fstat(fd_, &status) != 0) return FileError(path_, "can't be examined");
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError(StrCat(path_.string(), ": is not a regular file"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> File::ReadSome(std::span<char> buffer) const {
  while (true) {
    const ssize_t count = ::read(fd_, buffer.data(), buffer.size());
    if (count >= 0) return std::string_view(buffer.data(), static_cast<size_t>(count));
    if (errno != EINTR) return FileError(path_, "can't be read");
  }
}

absl::Status File::WriteAll(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno != EINTR) {
      return FileError(path_, "can't be written");
    }
  }
  return absl::OkStatus();
}

absl::Status File::Sync() const {
  if (::fsync(fd_) != 0) return FileError(path_, "can't be flushed to the disk");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, size_t max_size) {
  ASSIGN_OR_RETURN(const File file, File::Open(path, O_RDONLY));
  RETURN_IF_ERROR(file.CheckRegular());
  std::string contents;
  std::array<char, 16384> piece{};
  while (true) {
    ASSIGN_OR_RETURN(const std::string_view bytes, file.ReadSome(piece));
    if (bytes.empty()) return contents;
    if (bytes.size() > max_size - contents.size()) {
      return absl::InvalidArgumentError(
          StrCat(path.string(), ": is larger than ", max_size, " bytes; make it smaller"));
    }
    contents += bytes;
  }
}

absl::Status WriteFileDurably(const std::filesystem::path& path, std::string_view bytes) {
  ASSIGN_OR_RETURN(const File file, File::Open(path, O_WRONLY | O_CREAT | O_TRUNC));
  RETURN_IF_ERROR(file.WriteAll(bytes));
  return file.Sync();
}

absl::Status CopyFile(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code code;
  const std::filesystem::path resolved = std::filesystem::canonical(from, code);
  if (code) {
    return absl::ErrnoToStatus(code.value(), ToAbsl(StrCat(from.string(), ": can't be opened")));
  }
  ASSIGN_OR_RETURN(const File source, File::Open(resolved, O_RDONLY));
  RETURN_IF_ERROR(source.CheckRegular());
  ASSIGN_OR_RETURN(const File sink, File::Open(to, O_WRONLY | O_CREAT | O_EXCL));
  std::vector<char> piece(kCopyPiece);
  while (true) {
    ASSIGN_OR_RETURN(const std::string_view bytes, source.ReadSome(piece));
    if (bytes.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(sink.WriteAll(bytes));
  }
}

absl::Status SyncPath(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const File file, File::Open(path, O_RDONLY));
  return file.Sync();
}

}  // namespace tiffin::model
