#pragma once

#include <cstddef>
#include <thread>

#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "grpcpp/completion_queue.h"

namespace tiffin::gateway {

// A loop on a thread of its own, and the one that watches descriptors for it. Owned by RunServer,
// on the main thread; joined before it is destroyed.
class LoopThread {
 public:
  // The queue outlives it. `number` is in the thread's name.
  LoopThread(grpc::CompletionQueue& queue, size_t number);

  Loop& loop() { return loop_; }
  Watcher& watcher() { return watcher_; }

  void Start();
  // After `last`, on the loop's thread.
  void Stop(Loop::Task last);
  void Join() { thread_.join(); }

 private:
  grpc::CompletionQueue& queue_;
  Loop loop_;
  const size_t number_;
  Watcher watcher_;     // After the loop, which a last event of its thread may still enter.
  std::thread thread_;  // Last: it runs the loop.
};

}  // namespace tiffin::gateway
