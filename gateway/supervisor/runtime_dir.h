#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace tiffin::gateway {

// A folder of this run's own, for its sockets: `<base>/<random>`, 0700, with a file that is locked
// as long as the run lives. Move-only; destruction removes the folder.
class RuntimeDir {
 public:
  // $XDG_RUNTIME_DIR/tiffin, else tiffin-<uid> in the temporary folder.
  static std::filesystem::path DefaultBase();

  // Makes `base` if need be, removes what runs that ended without cleaning up have left (their lock
  // is free), and makes the folder. FAILED_PRECONDITION if `base` belongs to somebody else, or
  // others can write to it.
  static absl::StatusOr<RuntimeDir> Create(const std::filesystem::path& base);

  RuntimeDir(RuntimeDir&& other) noexcept;
  RuntimeDir& operator=(RuntimeDir&&) = delete;
  ~RuntimeDir();

  const std::filesystem::path& path() const { return path_; }

 private:
  RuntimeDir(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;  // Empty once moved from.
  UniqueFd lock_;
};

}  // namespace tiffin::gateway
