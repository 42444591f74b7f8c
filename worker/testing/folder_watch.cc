#include "worker/testing/folder_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/strings.h"

namespace tiffin::worker {
namespace {

// An inotify descriptor, closed on destruction.
class Watch {
 public:
  Watch() : descriptor_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}
  ~Watch() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  bool Add(const std::filesystem::path& folder) const {
    return descriptor_ >= 0 && inotify_add_watch(descriptor_, folder.c_str(),
                                                 IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0;
  }

  // Until something has changed since the last call, or `bound` is over.
  void WaitForChange(std::chrono::milliseconds bound) const {
    pollfd entry{.fd = descriptor_, .events = POLLIN, .revents = 0};
    poll(&entry, 1, static_cast<int>(bound.count()));
    std::array<char, 4096> events{};
    while (read(descriptor_, events.data(), events.size()) > 0) {
    }
  }

 private:
  int descriptor_;
};

}  // namespace

absl::Status WaitInFolder(const std::filesystem::path& folder, std::chrono::milliseconds bound,
                          std::string_view what, const std::function<bool()>& met) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + bound;
  // Watched before the first look, so that no change falls between the two.
  Watch watch;
  if (!watch.Add(folder)) {
    return absl::FailedPreconditionError(
        StrCat("cannot watch the folder '", folder.string(), "': ", std::strerror(errno)));
  }
  while (!met()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) {
      return absl::DeadlineExceededError(
          StrCat(what, " did not come within ", bound.count(), " ms"));
    }
    watch.WaitForChange(left);
  }
  return absl::OkStatus();
}

}  // namespace tiffin::worker
