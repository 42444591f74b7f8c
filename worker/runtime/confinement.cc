#include "worker/runtime/confinement.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>

namespace tiffin::worker {

absl::Status Confine(Debuggable debuggable) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "cannot give up privileges (PR_SET_NO_NEW_PRIVS)");
  }
  if (debuggable == Debuggable::kYes) return absl::OkStatus();
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "cannot forbid core dumps");
  }
  return absl::OkStatus();
}

}  // namespace tiffin::worker
