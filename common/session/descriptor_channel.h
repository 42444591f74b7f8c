#pragma once

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "common/shm/descriptor_socket.h"

namespace tiffin::session {

// A session's descriptor socket at work: what arrives is handed to the loop; what is sent stays in
// order, and waits while the socket is full. Created and destroyed on the loop's thread; after
// destruction neither callback is called.
class DescriptorChannel {
 public:
  using OnReceived = absl::AnyInvocable<void(shm::DescriptorSocket::Received)>;
  // UNAVAILABLE: the peer's process, or its end of the socket, is gone. INVALID_ARGUMENT: it sent
  // nonsense. Called once; nothing is received after it.
  using OnClosed = absl::AnyInvocable<void(absl::Status)>;

  // Callbacks come on the loop's thread.
  DescriptorChannel(shm::DescriptorSocket socket, Watcher& watcher, Loop& loop,
                    OnReceived on_received, OnClosed on_closed);
  ~DescriptorChannel();

  // On the loop's thread: as destruction, but the socket stays open until that, so that the peer
  // does not take this process for dead. Nothing is sent any more. Destruction may then be
  // anywhere.
  void Retire();

  // From any thread. `descriptor` stays the caller's.
  void Send(const shm::Announcement& announcement, std::optional<int> descriptor);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // Shared with what was posted to the loop and may come later.
};

}  // namespace tiffin::session
