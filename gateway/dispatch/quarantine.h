#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// What a call brings to a runner.
struct CallContent {
  std::string_view method;
  int64_t rows = 1;
  std::vector<std::shared_ptr<const Buffer>> inputs;  // Shared with the call.

  uint64_t size() const;
};

// The end of a worker by its own doing.
struct WorkerDeath {
  std::string_view life;   // Names that process: for all loops the same, and no other's.
  std::string_view cause;  // "signal 11"
};

// The contents that ended a runner's workers: after the first time a suspect, which is run alone;
// after the second it is not run any more. Both are forgotten some minutes after the last time.
// Nothing is computed as long as there are none. Thread-safe.
class Quarantine {
 public:
  enum class Verdict { kClear, kSuspect, kQuarantined };
  static constexpr absl::Duration kKept = absl::Minutes(5);
  // More contents than this are not remembered: the oldest are forgotten.
  static constexpr size_t kMaxContents = 1024;

  // `clock` outlives it.
  explicit Quarantine(const Clock& clock) : clock_(clock) {}

  bool empty() const { return empty_; }
  Verdict Judge(const CallContent& content);
  // It was executed when the worker of that life ended. However often that is told, by calls with
  // the same content and by other loops, it is one death.
  Verdict Convict(const CallContent& content, std::string_view life);
  // It was run, and no worker ended.
  void Acquit(const CallContent& content);

 private:
  struct Entry {
    uint64_t size = 0;
    std::string digest;
    int deaths = 0;
    std::string last_life = {};  // The last of these deaths.
    absl::Time until = absl::InfinitePast();
  };

  // entries_.end() if there is none.
  std::deque<Entry>::iterator Find(uint64_t size, std::string_view digest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MayHold(uint64_t size);

  const Clock& clock_;
  std::atomic<bool> empty_ = true;
  absl::Mutex mutex_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // The oldest first.
};

}  // namespace tiffin::gateway
