#include "common/session/descriptor_channel.h"
#include "common/unique_fd.h"

#include <fcntl.h>

#include <optional>
#include <utility>

namespace tiffin::session {

struct DescriptorChannel::Shared : std::enable_shared_from_this<Shared> {
  Shared(shm::DescriptorSocket from, Watcher& watch_by, Loop& to, OnReceived received,
         OnClosed closed)
      : socket(std::move(from)),
        watcher(watch_by),
        loop(to),
        on_received(std::move(received)),
        on_closed(std::move(closed)) {}

  struct Queued {
    shm::Announcement announcement;
    UniqueFd descriptor;
  };

  // On the watcher's thread. Takes all there is; false ends the watching.
  bool Readable() {
    while (true) {
      auto received = socket.Receive();
      if (!received.ok()) {
        loop.Post([self = shared_from_this(), status = received.status()] {
          if (self->alive) self->on_closed(status);
        });
        return false;
      }
      if (!received->has_value()) return true;
      loop.Post([self = shared_from_this(), item = std::move(**received)]() mutable {
        if (self->alive) self->on_received(std::move(item));
      });
    }
  }

  // The wait for room in a full socket. A descriptor can be watched once at a time, so it has its
  // own.
  struct WaitForRoom {
    UniqueFd descriptor;
    std::unique_ptr<Watcher::Watch> watch;  // Ends before the descriptor is closed.
  };

  // On the watcher's thread.
  bool SendBacklog() {
    absl::MutexLock lock(&mutex);
    while (!backlog.empty()) {
      const Queued& next = backlog.front();
      const std::optional<int> descriptor =
          next.descriptor.valid() ? std::optional<int>(next.descriptor.get()) : std::nullopt;
      const absl::Status sent = socket.Send(next.announcement, descriptor);
      if (absl::IsResourceExhausted(sent)) return true;
      backlog.pop_front();  // Sent, or the peer is gone, which the reading side reports.
    }
    waiting = false;
    return false;
  }

  void Send(const shm::Announcement& announcement, std::optional<int> descriptor) {
    WaitForRoom ended;  // Destroyed without the lock, which its callback may be about to give back.
    absl::MutexLock lock(&mutex);
    if (backlog.empty() && !absl::IsResourceExhausted(socket.Send(announcement, descriptor))) {
      return;
    }
    // A copy: the caller may drop its descriptor before this one is sent.
    backlog.push_back(
        {announcement,
         UniqueFd(descriptor.has_value() ? fcntl(*descriptor, F_DUPFD_CLOEXEC, 0) : -1)});
    if (waiting) return;
    ended = std::move(room);
    room.descriptor = UniqueFd(fcntl(socket.fd(), F_DUPFD_CLOEXEC, 0));
    if (!room.descriptor.valid()) return;  // Too many open files; the next Send tries again.
    waiting = true;
    room.watch = watcher.Add(room.descriptor.get(), Watcher::Interest::kWritable,
                             [this] { return SendBacklog(); });
  }

  shm::DescriptorSocket socket;  // Received from on the watcher's thread, sent to under the mutex.
  Watcher& watcher;
  Loop& loop;
  OnReceived on_received;
  OnClosed on_closed;
  bool alive = true;  // Touched on the loop's thread only.
  bool retired = false;

  absl::Mutex mutex;
  std::deque<Queued> backlog ABSL_GUARDED_BY(mutex);
  WaitForRoom room ABSL_GUARDED_BY(mutex);
  bool waiting ABSL_GUARDED_BY(mutex) = false;
  std::unique_ptr<Watcher::Watch> readable;
};

DescriptorChannel::DescriptorChannel(shm::DescriptorSocket socket, Watcher& watcher, Loop& loop,
                                     OnReceived on_received, OnClosed on_closed)
    : shared_(std::make_shared<Shared>(std::move(socket), watcher, loop, std::move(on_received),
                                       std::move(on_closed))) {
  shared_->readable = watcher.Add(shared_->socket.fd(), Watcher::Interest::kReadable,
                                  [shared = shared_.get()] { return shared->Readable(); });
}

DescriptorChannel::~DescriptorChannel() { Retire(); }

void DescriptorChannel::Retire() {
  if (std::exchange(shared_->retired, true)) return;
  shared_->alive = false;
  shared_->readable.reset();
  Shared::WaitForRoom room;
  {
    absl::MutexLock lock(&shared_->mutex);
    room = std::move(shared_->room);
  }
}

void DescriptorChannel::Send(const shm::Announcement& announcement, std::optional<int> descriptor) {
  shared_->Send(announcement, descriptor);
}

}  // namespace tiffin::session
