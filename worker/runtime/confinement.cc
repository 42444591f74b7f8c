#include "worker/runtime/confinement.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "common/status_macros.h"

namespace tiffin::worker {
namespace {

// Many times what the segments of all the workers of a gateway are. Where a container allows a
// million, a worker that loses track of its descriptors would use up those of the whole machine.
constexpr rlim_t kMaxDescriptors = 65'536;

absl::Status LimitDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::ErrnoToStatus(errno, "cannot read the limit of descriptors");
  }
  limit.rlim_max = std::min(limit.rlim_max, kMaxDescriptors);
  // The soft limit of a shell is 1,024: too few for many segments.
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::ErrnoToStatus(errno, "cannot limit the descriptors");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Confine(Debuggable debuggable) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "cannot give up privileges (PR_SET_NO_NEW_PRIVS)");
  }
  RETURN_IF_ERROR(LimitDescriptors());
  if (debuggable == Debuggable::kYes) return absl::OkStatus();
  const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "cannot forbid core dumps");
  }
  return absl::OkStatus();
}

}  // namespace tiffin::worker
