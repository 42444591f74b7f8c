#include "common/async/connections.h"

#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"

namespace tiffin::connections {
namespace {

struct Connection {
  Connection(Count counted, const std::optional<Http2Guard::Limits>& limits)
      : count(std::move(counted)) {
    if (limits.has_value()) guard.emplace(*limits, Clock::Monotonic().Now());
    ++*count;
  }
  ~Connection() { --*count; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Count count;
  absl::Mutex mutex;
  std::optional<Http2Guard> guard ABSL_GUARDED_BY(mutex);
  bool broken ABSL_GUARDED_BY(mutex) = false;
};

// By descriptor. Null: none of ours. Who reads from a descriptor keeps it open meanwhile, so an
// entry is never deleted under a reader.
std::array<std::atomic<Connection*>, kMaxDescriptors> table;

bool InTable(int fd) { return fd >= 0 && fd < kMaxDescriptors; }

bool Passes(Connection& connection, const msghdr& message, size_t size) {
  const absl::MutexLock lock(&connection.mutex);
  if (!connection.guard.has_value()) return true;
  const absl::Time now = Clock::Monotonic().Now();
  for (size_t i = 0; i < message.msg_iovlen && size > 0 && !connection.broken; ++i) {
    const iovec& piece = message.msg_iov[i];
    const size_t length = std::min(size, piece.iov_len);
    connection.broken =
        !connection.guard->Take({static_cast<const std::byte*>(piece.iov_base), length}, now);
    size -= length;
  }
  return !connection.broken;
}

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

bool Watch(int fd, Count count, const std::optional<Http2Guard::Limits>& limits) {
  if (!InTable(fd)) return false;
  delete table[static_cast<size_t>(fd)].exchange(new Connection(std::move(count), limits));
  return true;
}

}  // namespace tiffin::connections

extern "C" {

int close(int fd) {
  using tiffin::connections::InTable;
  using tiffin::connections::table;
  static auto* const next = tiffin::connections::Next<int(int)>("close");
  // Before the number can be another's.
  if (InTable(fd)) delete table[static_cast<size_t>(fd)].exchange(nullptr);
  return next(fd);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  using tiffin::connections::InTable;
  using tiffin::connections::table;
  static auto* const next = tiffin::connections::Next<ssize_t(int, msghdr*, int)>("recvmsg");
  const ssize_t received = next(fd, message, flags);
  if (received <= 0 || !InTable(fd)) return received;
  auto* const connection = table[static_cast<size_t>(fd)].load();
  if (connection == nullptr ||
      tiffin::connections::Passes(*connection, *message, static_cast<size_t>(received))) {
    return received;
  }
  errno = ECONNRESET;
  return -1;
}

}  // extern "C"
