#pragma once

#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"

namespace tiffin::gateway {

// How many processes of the cgroup the kernel has killed for lack of memory: one for all sessions
// of a server, so that the count is read for all of them at once. Thread-safe.
class OomKills {
 public:
  // `read` gives the count until now, and may be called from any thread. The clock outlives it.
  OomKills(std::function<uint64_t()> read, const Clock& clock);

  // Counted by now. For when something has died: it reads.
  uint64_t now() const { return read_(); }
  // Counted a moment ago, or earlier: nothing that is said now was said by somebody whom the kernel
  // has killed since. Reads now and then, however often and by however many it is asked.
  uint64_t before();

  // What `before` is at least.
  static constexpr absl::Duration kMoment = absl::Milliseconds(500);

 private:
  const std::function<uint64_t()> read_;
  const Clock& clock_;
  absl::Mutex mutex_;
  // Both were counted one after the other, `read_at_` being when the later one was.
  uint64_t earlier_ ABSL_GUARDED_BY(mutex_);
  uint64_t latest_ ABSL_GUARDED_BY(mutex_);
  absl::Time read_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway
