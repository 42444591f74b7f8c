#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tiffin::security {

// Files that others may replace while they are used. Not thread-safe.
class WatchedFiles {
 public:
  // What they are now counts as known.
  explicit WatchedFiles(std::vector<std::filesystem::path> files);

  // To be asked now and then: whether they are not what is known, and have stayed so since they
  // were last asked, for who writes a file in place, or replaces several, takes a moment. What they
  // are then is known from there on.
  bool Changed();

 private:
  // What tells a file's contents from other ones without reading them. All zero: there is none.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_ns = 0;

    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  using Stamps = std::vector<Stamp>;

  Stamps Look() const;

  const std::vector<std::filesystem::path> files_;
  Stamps known_;
  Stamps seen_;
};

// The whole of a file of at most 1 MiB, which may be behind symbolic links (Kubernetes mounts
// secrets so). `flag` and the fix stand in the message where it can't be read.
absl::StatusOr<std::string> ReadNamedFile(std::string_view flag, const std::filesystem::path& path);

}  // namespace tiffin::security
