#pragma once

#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "common/session/frame_writer.h"
#include "common/shm/descriptor_socket.h"

namespace tiffin::session {

// A session's descriptor socket at work. It carries announcements of segments, and, where the
// session has the express lane, the frames that name calls and segments: all of them in the order
// in which they were sent, so that a segment is known before a frame names it, and a release is
// seen before what was sent after it. What arrives is handed over on the watcher's thread, in a
// turn of the loop's; what is sent waits while the socket is full, and never blocks. Created and
// destroyed on the loop's thread; after destruction no callback is called.
class DescriptorChannel {
 public:
  struct Events {
    absl::AnyInvocable<void(shm::DescriptorSocket::Received)> announced;
    // What comes is valid until the callback returns. Null: frames are an error.
    absl::AnyInvocable<void(const worker::v1::Frames&)> frames;
    // UNAVAILABLE: the peer's process, or its end of the socket, is gone. INVALID_ARGUMENT: it sent
    // nonsense. Called once; nothing is received after it.
    absl::AnyInvocable<void(absl::Status)> closed;
  };

  DescriptorChannel(shm::DescriptorSocket socket, Watcher& watcher, Loop& loop, Events events);
  ~DescriptorChannel();

  // On the loop's thread: as destruction, but the socket stays open until that, so that the peer
  // does not take this process for dead. Nothing is sent any more. Destruction may then be
  // anywhere; the socket is closed after it, when the watcher has let go of it.
  void Retire();

  // From any thread. `descriptor` stays the caller's.
  void Announce(const shm::Announcement& announcement, std::optional<int> descriptor);
  // The express lane's. Thread-safe.
  FrameWriter& frames();
  // On the loop's thread, not from a callback of this: hands over all that has arrived by now, for
  // a session that ends otherwise.
  void ReceiveAll();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // Shared with the watcher's callbacks, which may come later.
};

}  // namespace tiffin::session
