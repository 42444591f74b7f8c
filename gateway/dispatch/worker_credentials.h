#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/security/certificates.h"
#include "common/security/client_security.h"
#include "common/security/watched_files.h"

namespace tiffin::gateway {

// What the gateway shows to workers on TCP, and whom it trusts there. Files that are replaced are
// read again (Look), and hold for sessions that begin from then on; ones that are wrong are told of
// in the log, and those before them stay. Thread-safe but for Look, which one thread calls.
class WorkerCredentials {
 public:
  struct Files {
    security::TlsFiles tls;       // `ca` empty: no TLS.
    std::filesystem::path token;  // Empty: none is sent.
  };
  // INVALID_ARGUMENT names the flag and the file.
  static absl::StatusOr<std::unique_ptr<WorkerCredentials>> Create(Files files);

  // Shared with sessions that begin.
  std::shared_ptr<const security::ClientSecurity> current() const;
  // Reads the files again if they have changed.
  void Look();

 private:
  explicit WorkerCredentials(Files files);
  absl::StatusOr<security::ClientSecurity> Load() const;

  const Files files_;
  security::WatchedFiles watched_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const security::ClientSecurity> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway
