#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/shm/segment.h"

namespace tiffin::shm {

// What travels beside a descriptor: which segment it is. With no descriptor, the greeting that ties
// the socket to its session.
struct Announcement {
  uint64_t session = 0;
  uint64_t segment = 0;  // 0 in the greeting.
  uint64_t size = 0;
};

// One end of a session's SOCK_SEQPACKET Unix socket: each packet is one Announcement with at most
// one descriptor (SCM_RIGHTS). Non-blocking.Held open until nothing of the session is read any
// more: its end of file proves that, or that the peer is dead. One thread at a time.
class DescriptorSocket {
 public:
  explicit DescriptorSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  // Connects to the listener at `path`. UNAVAILABLE if nobody listens there.
  static absl::StatusOr<DescriptorSocket> Connect(const std::string& path);

  int fd() const { return fd_.get(); }
  // UNAVAILABLE: the peer is gone. RESOURCE_EXHAUSTED: the socket's buffer is full; nothing was
  // sent. `descriptor` stays the caller's.
  absl::Status Send(const Announcement& announcement, std::optional<int> descriptor);

  struct Received {
    Announcement announcement;
    UniqueFd descriptor;  // Invalid in the greeting.
  };
  // nullopt: nothing there yet. UNAVAILABLE: end of file, after all that the peer sent before it.
  // INVALID_ARGUMENT: a packet of the wrong form; all its descriptors are closed.
  // RESOURCE_EXHAUSTED: a descriptor was lost, as this process may not open more files. After an
  // error other than UNAVAILABLE the socket still works, but the peer is not to be trusted.
  absl::StatusOr<std::optional<Received>> Receive();

 private:
  UniqueFd fd_;
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
