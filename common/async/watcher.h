#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"

namespace tiffin {

// One thread that waits for descriptors which gRPC doesn't know: descriptor sockets, process
// descriptors, inotify, pipes, signals. Callbacks run on its thread, and all others wait for one.
// Destruction stops the thread and joins it; no callback runs after it.
class Watcher {
 public:
  enum class Interest { kReadable, kWritable };

  // A watched descriptor. Destruction ends the watching, from any thread, and returns only when its
  // callback does not run any more (from inside the callback: at once). Must not outlive the
  // Watcher.
  class Watch {
   public:
    virtual ~Watch() = default;
  };

  Watcher();
  ~Watcher();

  // Calls `ready` each time `fd` is ready, until it returns false or the watch is destroyed; now
  // and then also while it is not: an event of a watch that has just ended may be taken for one of
  // a new watch. `fd` stays the caller's, who keeps it open until the watch is gone, and has no
  // other watch on it.
  [[nodiscard]] std::unique_ptr<Watch> Add(int fd, Interest interest,
                                           absl::AnyInvocable<bool()> ready);
  // Destroys the watch on the watcher's thread: for a caller who must not wait for a callback.
  void EndLater(std::unique_ptr<Watch> watch);

 private:
  boost::asio::io_context context_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Watch>> ended_ ABSL_GUARDED_BY(mutex_);
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace tiffin
