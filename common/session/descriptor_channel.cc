#include "common/session/descriptor_channel.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/session/frame_assembler.h"
#include "common/tensor.h"
#include "common/unique_fd.h"

namespace tiffin::session {
namespace {

// Taken in one turn of the loop's, so that a peer that never stops doesn't keep it.
constexpr int kPacketsPerTurn = 64;

}  // namespace

struct DescriptorChannel::Shared : std::enable_shared_from_this<Shared> {
  Shared(shm::DescriptorSocket from, Watcher& watch_by, Loop& to, Events tell)
      : socket(std::move(from)),
        watcher(watch_by),
        loop(to),
        events(std::move(tell)),
        writer(FrameWriter::Initially::kWritable,
               [this](const worker::v1::Frames& message) { return SendFrames(message); }) {}

  // An announcement, or what is left of a message.
  struct Queued {
    shm::Announcement announcement;
    UniqueFd descriptor;
    std::string message;
    size_t sent = 0;
  };

  // From any thread: something has arrived.
  void OnArrival() {
    if (!expected.exchange(true)) loop.Enter([self = shared_from_this()] { self->ReceiveSome(); });
  }

  // In a turn.
  void ReceiveSome() {
    expected = false;  // Before it looks, so that no arrival is missed.
    socket.OnArrival();
    bool has_more = true;
    for (int i = 0; has_more && i < kPacketsPerTurn; ++i) {
      has_more = ReceivePacket() > 0 && !socket.drained();
    }
    if (alive && has_more && !expected.exchange(true)) {
      loop.Post([self = shared_from_this()] { self->ReceiveSome(); });
    }
  }

  // In a turn. What comes meanwhile stays where it is, or a peer that never stops would keep the
  // loop; one that has stopped for good may have sent its last just now.
  void ReceiveAll() {
    size_t left = socket.bytes_there();
    while (alive && (left > 0 || socket.hung_up())) {
      const size_t size = ReceivePacket();
      if (size == 0) return;
      left -= std::min(left, size);
    }
  }

  // In a turn. Returns the size of the packet; 0: there was none, or the channel has closed.
  size_t ReceivePacket() {
    if (!alive) return 0;
    auto received = socket.Receive();
    if (!received.ok()) {
      Close(received.status());
      return 0;
    }
    if (!received->has_value()) return 0;
    const size_t size = (*received)->size;
    if ((*received)->total == 0) {
      events.announced(**std::move(received));
    } else if (events.frames == nullptr) {
      Close(absl::InvalidArgumentError("frames on the socket of a session without express lane"));
    } else {
      const auto frames = assembler.Add((*received)->total, (*received)->piece);
      if (!frames.ok()) {
        Close(frames.status());
      } else if (*frames != nullptr) {
        events.frames(**frames);
      }
    }
    return alive ? size : 0;
  }

  void Close(const absl::Status& status) {
    alive = false;
    events.closed(status);
  }

  // Sends what fits of `item`. RESOURCE_EXHAUSTED: not all. Any other end: there is no more to do;
  // if the peer is gone, the receiving side reports it.
  absl::Status SendItem(Queued& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (item.message.empty()) {
      return socket.Send(item.announcement, item.descriptor.valid()
                                                ? std::optional<int>(item.descriptor.get())
                                                : std::nullopt);
    }
    const std::span<const std::byte> bytes = AsBytes(item.message);
    while (item.sent < bytes.size()) {
      const size_t size = std::min(bytes.size() - item.sent, shm::DescriptorSocket::kMaxPiece);
      absl::Status status = socket.SendPiece(bytes.size(), bytes.subspan(item.sent, size));
      if (!status.ok()) return status;
      item.sent += size;
    }
    return absl::OkStatus();
  }

  // On the watcher's thread, when there is room. False ends the watching.
  bool SendBacklog() {
    std::unique_ptr<Watcher::Watch> ended;  // From inside its callback, which waits for nobody.
    while (true) {
      bool message_sent = false;
      bool full = false;
      {
        absl::MutexLock lock(&mutex);
        while (!backlog.empty() && !full) {
          full = absl::IsResourceExhausted(SendItem(backlog.front()));
          if (full) break;
          message_sent = message_sent || !backlog.front().message.empty();
          backlog.pop_front();
        }
        if (!full && !message_sent) {
          waiting = false;
          ended = std::move(room_watch);
          return false;
        }
      }
      // Without the lock, which the writer's next message takes; that one joins the backlog if it
      // doesn't fit, so this goes round once more.
      if (message_sent) writer.OnWritten(/*ok=*/true);
      if (full) return true;
    }
  }

  // Behind what waits already.
  void Wait(Queued item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    backlog.push_back(std::move(item));
    if (waiting) return;
    // A descriptor can be watched once at a time, and the socket's own is watched for what arrives.
    // Shared with the callback, so that it is open as long as it is watched.
    auto room = std::make_shared<UniqueFd>(fcntl(socket.fd(), F_DUPFD_CLOEXEC, 0));
    if (!room->valid()) {
      loop.Post([self = shared_from_this()] {
        if (self->alive) {
          self->Close(absl::ResourceExhaustedError(
              "this process has too many open files; raise 'ulimit -n'"));
        }
      });
      return;
    }
    waiting = true;
    room_watch = watcher.Add(room->get(), Watcher::Interest::kWritable,
                             [self = shared_from_this(), room] { return self->SendBacklog(); });
  }

  void Announce(const shm::Announcement& announcement, std::optional<int> descriptor) {
    absl::MutexLock lock(&mutex);
    if (retired) return;
    if (backlog.empty() && !absl::IsResourceExhausted(socket.Send(announcement, descriptor))) {
      return;
    }
    // A copy: the caller may drop its descriptor before this one is sent.
    Wait({.announcement = announcement,
          .descriptor =
              UniqueFd(descriptor.has_value() ? fcntl(*descriptor, F_DUPFD_CLOEXEC, 0) : -1),
          .message = {}});
  }

  // From the writer, with its lock held; it sends the next one after OnWritten.
  FrameWriter::Progress SendFrames(const worker::v1::Frames& frames) {
    absl::MutexLock lock(&mutex);
    if (retired) return FrameWriter::Progress::kWritten;
    Queued item;
    item.message = std::move(buffer);
    item.message.clear();
    frames.AppendToString(&item.message);
    if (backlog.empty() && !absl::IsResourceExhausted(SendItem(item))) {
      buffer = std::move(item.message);
      return FrameWriter::Progress::kWritten;
    }
    Wait(std::move(item));
    return FrameWriter::Progress::kStarted;
  }

  shm::DescriptorSocket socket;  // Received from in the loop's turns, sent to under the mutex.
  Watcher& watcher;
  Loop& loop;
  // Touched in the loop's turns only.
  Events events;
  FrameAssembler assembler;
  bool alive = true;
  std::unique_ptr<Watcher::Watch> arrivals;
  std::atomic<bool> expected = false;  // A ReceiveSome is.

  absl::Mutex mutex;  // Taken after the writer's.
  std::deque<Queued> backlog ABSL_GUARDED_BY(mutex);
  bool waiting ABSL_GUARDED_BY(mutex) = false;
  bool retired ABSL_GUARDED_BY(mutex) = false;
  std::unique_ptr<Watcher::Watch> room_watch ABSL_GUARDED_BY(mutex);
  std::string buffer ABSL_GUARDED_BY(mutex);  // Kept, so that its memory is used again.
  FrameWriter writer;
};

DescriptorChannel::DescriptorChannel(shm::DescriptorSocket socket, Watcher& watcher, Loop& loop,
                                     Events events)
    : shared_(std::make_shared<Shared>(std::move(socket), watcher, loop, std::move(events))) {
  shared_->expected = true;
  shared_->arrivals =
      watcher.Add(shared_->socket.fd(), Watcher::Interest::kArrivals, [shared = shared_] {
        shared->OnArrival();
        return true;
      });
  // What the socket has taken in already, it does not tell again.
  loop.Defer([shared = shared_] { shared->ReceiveSome(); });
}

DescriptorChannel::~DescriptorChannel() { Retire(); }

void DescriptorChannel::Retire() {
  std::unique_ptr<Watcher::Watch> room_watch;
  {
    absl::MutexLock lock(&shared_->mutex);
    if (std::exchange(shared_->retired, true)) return;
    room_watch = std::move(shared_->room_watch);
    shared_->backlog.clear();
  }
  shared_->writer.Close();
  shared_->alive = false;
  // The watcher's thread may be waiting for its turn, in which it will find this retired, or be
  // busy after one.
  shared_->watcher.EndLater(std::move(shared_->arrivals));
  if (room_watch != nullptr) shared_->watcher.EndLater(std::move(room_watch));
}

void DescriptorChannel::Announce(const shm::Announcement& announcement,
                                 std::optional<int> descriptor) {
  shared_->Announce(announcement, descriptor);
}

FrameWriter& DescriptorChannel::frames() { return shared_->writer; }

void DescriptorChannel::ReceiveAll() { shared_->ReceiveAll(); }

}  // namespace tiffin::session
