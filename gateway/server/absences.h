#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace tiffin::gateway {

// Why services can't be served yet, by their names. Thread-safe.
class Absences {
 public:
  using Reasons = std::map<std::string, absl::Status, std::less<>>;

  absl::Status Why(std::string_view service) const {
    const absl::MutexLock lock(&mutex_);
    const auto found = reasons_.find(service);
    return found == reasons_.end() ? absl::UnavailableError("it is served since just now")
                                   : found->second;
  }
  void Set(Reasons reasons) {
    const absl::MutexLock lock(&mutex_);
    reasons_ = std::move(reasons);
  }
  bool empty() const {
    const absl::MutexLock lock(&mutex_);
    return reasons_.empty();
  }
  Reasons all() const {
    const absl::MutexLock lock(&mutex_);
    return reasons_;
  }

 private:
  mutable absl::Mutex mutex_;
  Reasons reasons_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway
