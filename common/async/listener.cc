#include "common/async/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr int kKind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
// Until there may be a descriptor again.
constexpr absl::Duration kPause = absl::Milliseconds(100);

absl::Status Taken(const std::string& address, int error) {
  return absl::UnavailableError(StrCat("can't listen on ", address, ": ", strerror(error),
                                       "; is it taken, or not an address of this machine?"));
}

absl::Status NoAddress(const std::string& address, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("'", address, "' is no address to listen on: ", why,
                                           "; write HOST:PORT, as 127.0.0.1:8001, or unix:PATH"));
}

void Set(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));
}

uint16_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  const bool is_v6 = address.ss_family == AF_INET6;
  return ntohs(is_v6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void SetPort(addrinfo& info, uint16_t port) {
  if (info.ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(info.ai_addr)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(info.ai_addr)->sin_port = htons(port);
  }
}

}  // namespace

Listener::Listener()
    : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      count_(std::make_shared<std::atomic<int>>(0)) {}

Listener::~Listener() { Stop(); }

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(const std::string& address) {
  std::unique_ptr<Listener> listener(new Listener());
  if (!listener->wake_.valid()) {
    return absl::ResourceExhaustedError("this process has too many open files; raise 'ulimit -n'");
  }
  if (address.starts_with(kUnix)) {
    listener->address_ = address;
    RETURN_IF_ERROR(listener->BindPath(address.substr(kUnix.size())));
  } else {
    RETURN_IF_ERROR(listener->BindPort(address));
  }
  return listener;
}

absl::Status Listener::BindPath(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return NoAddress(address_, StrCat("a path has 1 to ", sizeof(address.sun_path) - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSIGN_OR_RETURN(path_lock_, PathLock::Take(path));
  // Nobody listens there, as the lock was free: it is a leftover.
  struct stat there = {};
  if (lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) unlink(path.c_str());
  UniqueFd socket(::socket(AF_UNIX, kKind, 0));
  if (!socket.valid() ||
      bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Taken(address_, errno);
  }
  path_ = path;
  if (listen(socket.get(), SOMAXCONN) != 0) return Taken(address_, errno);
  sockets_.push_back(std::move(socket));
  return absl::OkStatus();
}

absl::Status Listener::BindPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return NoAddress(address, "not HOST:PORT");
  std::string host = address.substr(0, colon);
  const std::string port = address.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos ||
      std::stoi(port) > 65'535) {
    return NoAddress(address, "no port");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    return NoAddress(address, "no such host");
  }
  const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  uint16_t bound = 0;  // A port that was picked is the same for all addresses of the host.
  int error = 0;
  for (addrinfo* info = found; info != nullptr; info = info->ai_next) {
    if (bound != 0) SetPort(*info, bound);
    UniqueFd socket(::socket(info->ai_family, kKind, info->ai_protocol));
    if (!socket.valid()) {
      error = errno;  // "localhost" has an IPv6 address also where the kernel has none.
      continue;
    }
    Set(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    Set(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // Those that it accepts have it too.
    if (info->ai_family == AF_INET6) {
      const auto* in6 = reinterpret_cast<const sockaddr_in6*>(info->ai_addr);
      Set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY,
          IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) ? 0 : 1);
    }
    if (bind(socket.get(), info->ai_addr, info->ai_addrlen) != 0 ||
        listen(socket.get(), SOMAXCONN) != 0) {
      error = errno;
      if (error == EADDRNOTAVAIL) continue;  // Likewise.
      return Taken(address, error);
    }
    bound = PortOf(socket.get());
    sockets_.push_back(std::move(socket));
  }
  if (sockets_.empty()) return Taken(address, error);
  address_ = StrCat(address.substr(0, colon + 1), bound);
  return absl::OkStatus();
}

void Listener::Start(Acceptor& acceptor, Options options) {
  acceptor_ = &acceptor;
  options_ = std::move(options);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "listener");
    Run();
  });
}

void Listener::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
    thread_.join();
  }
  sockets_.clear();
  if (!path_.empty()) unlink(std::exchange(path_, "").c_str());
  path_lock_.reset();
}

void Listener::Run() {
  std::vector<pollfd> watched = {{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  for (const UniqueFd& socket : sockets_) {
    watched.push_back({.fd = socket.get(), .events = POLLIN, .revents = 0});
  }
  const Clock& clock = Clock::Monotonic();
  absl::Time next_tick = clock.Now() + options_.tick_interval;
  bool pauses = false;
  while (true) {
    absl::Duration wait = next_tick - clock.Now();
    if (pauses) wait = std::min(wait, kPause);
    const auto patience =
        static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(wait) + 1));
    const int ready = poll(watched.data(), pauses ? 1 : watched.size(), patience);
    if (watched.front().revents != 0) return;
    const bool has_news = ready > 0 && !pauses;
    pauses = false;
    for (size_t i = 1; has_news && i < watched.size(); ++i) {
      if (watched[i].revents != 0 && !AcceptAll(watched[i].fd)) pauses = true;
    }
    if (clock.Now() < next_tick) continue;
    options_.tick();
    next_tick = clock.Now() + options_.tick_interval;
  }
}

bool Listener::AcceptAll(int socket) {
  while (true) {
    const int fd = accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return errno == EAGAIN;
    }
    if (connections() >= options_.max_connections ||
        !connections::Watch(fd, count_, options_.guard)) {
      options_.turned_away();  // First: who sees the end finds it counted.
      close(fd);
      continue;
    }
    Acceptor::NewConnectionParameters connection;
    connection.listener_fd = socket;
    connection.fd = fd;  // gRPC closes it, also when it doesn't take it.
    acceptor_->HandleNewConnection(&connection);
  }
}

}  // namespace tiffin
