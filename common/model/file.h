#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tiffin::model {

// An open file or folder, closed on destruction. Move-only. Errors name the path.
class File {
 public:
  // `flags` as of open(2); O_CLOEXEC and O_NOFOLLOW are added.
  static absl::StatusOr<File> Open(const std::filesystem::path& path, int flags);

  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  File& operator=(File&& other) noexcept;
  ~File();

  int fd() const { return fd_; }
  // FAILED_PRECONDITION for a folder, a device, a pipe.
  absl::Status CheckRegular() const;
  // The next bytes, in `buffer`; none at the end of the file.
  absl::StatusOr<std::string_view> ReadSome(std::span<char> buffer) const;
  absl::Status WriteAll(std::string_view bytes) const;
  // Waits until the contents have reached the disk.
  absl::Status Sync() const;

 private:
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::filesystem::path path_;
};

// The whole of a regular file of at most `max_size` bytes.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, size_t max_size);
// Creates the file or replaces its contents, and waits until they have reached the disk.
absl::Status WriteFileDurably(const std::filesystem::path& path, std::string_view bytes);
// Copies the bytes of a regular file (a symbolic link to one will do) into a new file, which gets
// the permissions of any new file and not those of the original.
absl::Status CopyFile(const std::filesystem::path& from, const std::filesystem::path& to);
// Waits until a file, or a folder's list of names, has reached the disk.
absl::Status SyncPath(const std::filesystem::path& path);

}  // namespace tiffin::model
