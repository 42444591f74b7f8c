#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/async/caller.h"
#include "common/security/token_file.h"
#include "common/security/watched_files.h"

namespace tiffin::security {

// The tokens that a server takes. A file that is replaced is read again (Look); one that is wrong
// is told of in the log, and the tokens before it stay. Thread-safe but for Look, which one thread
// calls.
class Tokens {
 public:
  // INVALID_ARGUMENT with all that is wrong with the file.
  static absl::StatusOr<std::unique_ptr<Tokens>> Create(std::filesystem::path file);

  // Whose token it is: `authorization` are the values of that name which a request has.
  // UNAUTHENTICATED if there is not just one, of a token that is known. Takes as long whichever
  // token comes close. Shared with the requests that are under way when the tokens are replaced.
  absl::StatusOr<std::shared_ptr<const Caller>> Authenticate(
      std::span<const std::string_view> authorization) const;

  // Reads the file again if it has changed.
  void Look();
  // Warns of what is in no list of `services`, and so may be misspelled. Before any Look.
  void WarnOfOthers(std::span<const std::string> services);

 private:
  struct Known {
    Digest digest;
    std::shared_ptr<const Caller> caller;
  };
  using List = std::vector<Known>;

  explicit Tokens(std::filesystem::path file);
  absl::StatusOr<List> Load() const;
  std::shared_ptr<const List> list() const;

  const std::filesystem::path file_;
  WatchedFiles watched_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const List> list_ ABSL_GUARDED_BY(mutex_);  // Shared with who looks one up.
};

}  // namespace tiffin::security
