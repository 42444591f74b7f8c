#include "common/security/reloader.h"

#include <utility>

namespace tiffin::security {

Reloader::Reloader(std::vector<Look> looks, absl::Duration interval) : looks_(std::move(looks)) {
  if (looks_.empty()) return;
  thread_ = std::thread([this, interval] {
    while (true) {
      {
        const absl::MutexLock lock(&mutex_);
        if (mutex_.AwaitWithTimeout(absl::Condition(&ended_), interval)) return;
      }
      for (const Look& look : looks_) look();
    }
  });
}

Reloader::~Reloader() {
  {
    const absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace tiffin::security
