#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "common/shm/descriptor_socket.h"

namespace tiffin::worker {

// Takes in the sockets that come to a descriptor listener. When this process has no descriptor left
// for one, that one waits, and is asked for again a moment later. Owned by the WorkerServer; on the
// loop's thread. Destruction closes the listener; nothing is handed over after it.
class DescriptorAcceptor {
 public:
  using Accepted = absl::AnyInvocable<void(shm::DescriptorSocket)>;

  // The loop and the watcher outlive it.
  DescriptorAcceptor(shm::DescriptorListener listener, Loop& loop, Watcher& watcher,
                     Accepted accepted);
  DescriptorAcceptor(const DescriptorAcceptor&) = delete;
  DescriptorAcceptor& operator=(const DescriptorAcceptor&) = delete;
  ~DescriptorAcceptor();

 private:
  void Watch();
  // On the watcher's thread. False ends the watching.
  bool AcceptAll();
  void Pause(const absl::Status& why);
  // What is on its way to the loop when this goes is dropped there. From any thread.
  Loop::Task WhileAlive(Loop::Task task) const;

  Loop& loop_;
  Watcher& watcher_;
  shm::DescriptorListener listener_;  // Accepted from on the watcher's thread.
  Accepted accepted_;
  bool short_of_descriptors_ = false;  // And said so.
  Loop::Timer resume_;
  // Touched on the loop's thread. Shared with what is on its way there.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Watcher::Watch> watch_;  // Last: its callback uses all of the above.
};

}  // namespace tiffin::worker
