#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "common/unique_fd.h"

namespace tiffin {

// One thread that waits for descriptors which gRPC doesn't know: descriptor sockets, process
// descriptors, inotify, pipes, signals. Callbacks run on its thread, and all others wait for one.
// Destruction stops the thread and joins it; no callback runs after it.
class Watcher {
 public:
  enum class Interest {
    kReadable,
    kWritable,
    kArrivals,  // Each time something arrives, and at the beginning: who is called takes it all.
  };

  // A watched descriptor. Destruction ends the watching, from any thread, and returns only when its
  // callback does not run any more (from inside the callback: at once). Must not outlive the
  // Watcher.
  class Watch {
   public:
    virtual ~Watch() = default;
  };

  Watcher();
  ~Watcher();

  // Calls `ready`, again and again as long as `fd` is ready (but see kArrivals), until it returns
  // false or the watch is destroyed. `fd` stays the caller's, who keeps it open until the watch is
  // gone, and has no other watch on it.
  [[nodiscard]] std::unique_ptr<Watch> Add(int fd, Interest interest,
                                           absl::AnyInvocable<bool()> ready);
  // Destroys the watch on the watcher's thread: for a caller who must not wait for a callback.
  void EndLater(std::unique_ptr<Watch> watch);

 private:
  class State;
  class OwnedWatch;

  void Run();
  void Wake();
  // What the others asked the thread for. False: to stop.
  bool OnWake();
  std::shared_ptr<State> Find(uint64_t id);
  void Forget(uint64_t id);

  UniqueFd epoll_;
  UniqueFd wake_;  // An eventfd.
  absl::Mutex mutex_;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  // What an event names by its id may have ended meanwhile. Shared with the Watch.
  absl::flat_hash_map<uint64_t, std::shared_ptr<State>> watches_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Watch>> ended_ ABSL_GUARDED_BY(mutex_);
  bool stops_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace tiffin
