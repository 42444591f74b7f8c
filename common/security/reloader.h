#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tiffin::security {

// Looks after files on a thread of its own, for a disk may be slow and no loop should wait for it.
// (Asking for their stamps works on every file system; inotify says nothing of changes that another
// machine makes.) Destruction joins the thread.
class Reloader {
 public:
  using Look = std::function<void()>;

  // Runs all of `looks`, which outlive it, one after the other, every `interval`. Without any there
  // is no thread.
  explicit Reloader(std::vector<Look> looks, absl::Duration interval = absl::Seconds(1));
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

 private:
  const std::vector<Look> looks_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace tiffin::security
