#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/strings.h"

namespace tiffin::gateway {

// Workers elsewhere that were refused because they are another runner: what is said of them, by the
// replica whose address they are at. Thread-safe.
class Strangers {
 public:
  // Empty: there is none.
  void Set(size_t replica, std::string text) {
    const absl::MutexLock lock(&mutex_);
    if (text.empty()) {
      texts_.erase(replica);
    } else {
      texts_[replica] = std::move(text);
    }
  }
  // Of all; empty: there are none.
  std::string text() const {
    const absl::MutexLock lock(&mutex_);
    std::string all;
    for (const auto& [replica, text] : texts_) all += StrCat(all.empty() ? "" : "; ", text);
    return all;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<size_t, std::string> texts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway
