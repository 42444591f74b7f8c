#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/security/certificates.h"
#include "common/security/watched_files.h"

namespace tiffin::security {

// With what a server shows who it is, and checks who its clients are: one for all of its ports.
// Files that are replaced are read again (Look), and hold for connections that are made from then
// on; ones that are wrong are told of in the log, and those before them stay. Thread-safe but for
// Look, which one thread calls.
class ServerTls {
 public:
  // By the calendar; injected by tests.
  using Today = absl::AnyInvocable<absl::Time() const>;

  static absl::StatusOr<std::unique_ptr<ServerTls>> Create(TlsFiles files, Today today = absl::Now);

  // The certificates, and how often others have taken their place. Shared with whoever still makes
  // a connection with them.
  struct Current {
    std::shared_ptr<const Certificates> certificates;
    uint64_t version = 0;
  };
  Current current() const;
  // Clients have to show a certificate of theirs.
  bool mutual() const { return !files_.ca.empty(); }

  // Reads the files again if they have changed.
  void Look();

 private:
  ServerTls(TlsFiles files, Today today);

  const TlsFiles files_;
  const Today today_;
  WatchedFiles watched_;
  mutable absl::Mutex mutex_;
  Current current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::security
