#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/shm/segment.h"

namespace tiffin::shm {

// Marks a packet that is no Announcement.
inline constexpr uint64_t kNoSession = ~uint64_t{0};

// What travels beside a descriptor: which segment it is. With no descriptor, the greeting that ties
// the socket to its session.
struct Announcement {
  uint64_t session = 0;  // Never kNoSession.
  uint64_t segment = 0;  // 0 in the greeting.
  uint64_t size = 0;
};

// One end of a session's SOCK_SEQPACKET Unix socket: each packet is one Announcement with at most
// one descriptor (SCM_RIGHTS), or a piece of a message; all of them in one order. Non-blocking.
// Held open until nothing of the session is read any more: its end of file proves that, or that the
// peer is dead. One thread sends, one receives, at a time.
class DescriptorSocket {
 public:
  // Of a message, in one packet; a few of them fit into a socket's buffer.
  static constexpr size_t kMaxPiece = 32768;

  explicit DescriptorSocket(UniqueFd fd);
  DescriptorSocket(DescriptorSocket&& other) noexcept;
  DescriptorSocket& operator=(DescriptorSocket&& other) noexcept;
  ~DescriptorSocket();
  // Connects to the listener at `path`. UNAVAILABLE if nobody listens there.
  static absl::StatusOr<DescriptorSocket> Connect(const std::string& path);

  int fd() const { return fd_.get(); }
  // UNAVAILABLE: the peer is gone. RESOURCE_EXHAUSTED: the socket's buffer is full; nothing was
  // sent. `descriptor` stays the caller's.
  absl::Status Send(const Announcement& announcement, std::optional<int> descriptor);
  // The next `piece`, of at most kMaxPiece bytes, of a message that has `total`. Errors as above.
  absl::Status SendPiece(uint64_t total, std::span<const std::byte> piece);

  // An announcement, or, where `total` is not 0, a piece of a message that has so many bytes.
  struct Received {
    Announcement announcement;
    UniqueFd descriptor;  // Invalid in the greeting.
    uint64_t total = 0;
    std::span<const std::byte> piece = {};  // Never empty. Valid until the next Receive.
    size_t size = sizeof(Announcement);     // Of the packet.
  };
  // nullopt: nothing there yet. UNAVAILABLE: end of file, after all that the peer sent before it.
  // INVALID_ARGUMENT: a packet of the wrong form; all its descriptors are closed.
  // RESOURCE_EXHAUSTED: a descriptor was lost, as this process may not open more files. After an
  // error other than UNAVAILABLE the socket still works, but the peer is not to be trusted.
  absl::StatusOr<std::optional<Received>> Receive();
  // Whoever waits for arrivals need not ask once more: nothing was left in the socket after what
  // the last Receive returned, or the peer is dying, which counts as an arrival.
  bool drained() const;
  // Something may have arrived: packets that were taken in before do not tell that there are no
  // more.
  void OnArrival();
  // Of packets that have arrived and were not returned yet; at least one for each.
  size_t bytes_there() const;
  // The peer has closed its end, or is dead: what it sent before is all that there will be.
  bool hung_up() const;

 private:
  class Batch;  // Packets that came by one system call.

  absl::Status SendPacket(msghdr& message);

  UniqueFd fd_;
  std::unique_ptr<Batch> batch_;  // Made by the first Receive.
};

// Where sessions' sockets come in. Destruction closes it and removes its path.
class DescriptorListener {
 public:
  // ALREADY_EXISTS if the path is taken; INVALID_ARGUMENT if it is too long (108 bytes is the
  // limit).
  static absl::StatusOr<DescriptorListener> Create(std::string path);
  DescriptorListener(DescriptorListener&&) noexcept = default;
  DescriptorListener& operator=(DescriptorListener&& other) noexcept;
  ~DescriptorListener();

  int fd() const { return fd_.get(); }
  // nullopt: nobody is waiting. A peer of another user (SO_PEERCRED) is closed and not returned.
  absl::StatusOr<std::optional<DescriptorSocket>> Accept();

 private:
  DescriptorListener(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

}  // namespace tiffin::shm
