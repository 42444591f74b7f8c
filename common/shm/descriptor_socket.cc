#include "common/shm/descriptor_socket.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::shm {
namespace {

static_assert(std::is_trivially_copyable_v<Announcement> && sizeof(Announcement) == 24,
              "an Announcement travels as its bytes, between processes of one machine");

// Before a piece of a message.
struct PieceHeader {
  uint64_t no_session = kNoSession;  // Where an Announcement has its session.
  uint64_t total = 0;
};
static_assert(std::is_trivially_copyable_v<PieceHeader> && sizeof(PieceHeader) == 16);

constexpr size_t kMaxPacket = sizeof(PieceHeader) + DescriptorSocket::kMaxPiece;

constexpr int kSocketType = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
constexpr int kBacklog = 128;
// Room for more than the one descriptor that a packet may carry: what arrives surplus is closed by
// us, what does not even fit is closed by the kernel (MSG_CTRUNC).
constexpr size_t kControlSpace = CMSG_SPACE(4 * sizeof(int));

absl::Status SystemError(int error, std::string_view what) {
  return absl::Status(absl::StatusCode::kInternal,
                      absl::ErrnoToStatus(error, ToAbsl(what)).message());
}

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("the path of a Unix socket must not be empty or have a NUL");
  }
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(StrCat(
        "the socket path '", path, "' has ", path.size(), " bytes, the limit is ",
        sizeof(address.sun_path) - 1, "; choose a shorter folder, for instance by --runtime-dir"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Takes every descriptor out of a received message, so that none leaks.
std::vector<UniqueFd> TakeDescriptors(msghdr& message) {
  std::vector<UniqueFd> descriptors;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

// Received by one system call, at most.
constexpr size_t kPacketsAtOnce = 8;

}  // namespace

class DescriptorSocket::Batch {
 public:
  struct Packet {
    msghdr& message;
    std::span<const std::byte> bytes;
  };

  ~Batch() {
    while (!empty()) TakeDescriptors(Next().message);
  }

  bool empty() const { return taken_ == received_; }
  bool drained() const { return empty() && drained_; }
  void OnArrival() { drained_ = false; }
  size_t bytes() const {
    size_t bytes = 0;
    for (size_t i = taken_; i < received_; ++i) bytes += headers_[i].msg_len;
    return bytes;
  }
  // The next of those that came. Valid until the next Fill.
  Packet Next() {
    mmsghdr& header = headers_[taken_];
    return {.message = header.msg_hdr,
            .bytes = std::span(packets_[taken_++]).first(header.msg_len)};
  }

  // Receives what is there; empty if nothing is.
  absl::Status Fill(int fd) {
    taken_ = 0;
    received_ = 0;
    drained_ = false;
    int received = -1;
    do {
      for (size_t i = 0; i < kPacketsAtOnce; ++i) {
        data_[i] = {.iov_base = packets_[i].data(), .iov_len = packets_[i].size()};
        headers_[i] = {};
        headers_[i].msg_hdr.msg_iov = &data_[i];
        headers_[i].msg_hdr.msg_iovlen = 1;
        headers_[i].msg_hdr.msg_control = controls_[i].bytes.data();
        headers_[i].msg_hdr.msg_controllen = controls_[i].bytes.size();
      }
      received = ::recvmmsg(fd, headers_.data(), kPacketsAtOnce, MSG_CMSG_CLOEXEC | MSG_DONTWAIT,
                            /*timeout=*/nullptr);
      // ECONNRESET comes once, before packets that still wait: the peer died with unread packets of
      // ours. What it sent before has to be read, for its tensors outlive it.
    } while (received < 0 && (errno == EINTR || errno == ECONNRESET));
    if (received < 0) {
      drained_ = errno == EAGAIN;
      if (drained_) return absl::OkStatus();
      return SystemError(errno, "cannot receive from the descriptor socket");
    }
    received_ = static_cast<size_t>(received);
    drained_ = received_ < kPacketsAtOnce;
    return absl::OkStatus();
  }

 private:
  struct Control {
    alignas(cmsghdr) std::array<char, kControlSpace> bytes;
  };

  size_t received_ = 0;
  size_t taken_ = 0;
  bool drained_ = false;  // By the last Fill.
  std::array<mmsghdr, kPacketsAtOnce> headers_;
  std::array<iovec, kPacketsAtOnce> data_;
  std::array<Control, kPacketsAtOnce> controls_;
  // Of which only the beginnings are touched by short packets.
  std::array<std::array<std::byte, kMaxPacket>, kPacketsAtOnce> packets_;
};

DescriptorSocket::DescriptorSocket(UniqueFd fd) : fd_(std::move(fd)) {}
DescriptorSocket::DescriptorSocket(DescriptorSocket&& other) noexcept = default;
DescriptorSocket& DescriptorSocket::operator=(DescriptorSocket&& other) noexcept = default;
DescriptorSocket::~DescriptorSocket() = default;

bool DescriptorSocket::drained() const { return batch_ != nullptr && batch_->drained(); }

void DescriptorSocket::OnArrival() {
  if (batch_ != nullptr) batch_->OnArrival();
}

size_t DescriptorSocket::bytes_there() const {
  int in_kernel = 0;
  if (::ioctl(fd_.get(), SIOCINQ, &in_kernel) != 0) in_kernel = 0;
  return static_cast<size_t>(in_kernel) + (batch_ == nullptr ? 0 : batch_->bytes());
}

bool DescriptorSocket::hung_up() const {
  pollfd poll_fd{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP) != 0;
}

absl::StatusOr<DescriptorSocket> DescriptorSocket::Connect(const std::string& path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  UniqueFd fd(::socket(AF_UNIX, kSocketType, 0));
  if (!fd.valid()) return SystemError(errno, "cannot make a Unix socket");
  int result = 0;
  do {
    result = ::connect(fd.get(), Generic(address), sizeof(address));
  } while (result != 0 && errno == EINTR);
  if (result == 0) return DescriptorSocket(std::move(fd));
  const int error = errno;
  const std::string what = StrCat("cannot connect to the descriptor socket '", path, "'");
  // EAGAIN: the listener's backlog is full, which passes.
  if (error == ENOENT || error == ECONNREFUSED || error == EAGAIN) {
    return absl::UnavailableError(absl::ErrnoToStatus(error, what).message());
  }
  return SystemError(error, what);
}

absl::Status DescriptorSocket::Send(const Announcement& announcement,
                                    std::optional<int> descriptor) {
  Announcement packet = announcement;
  iovec data{.iov_base = &packet, .iov_len = sizeof(packet)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptor.has_value()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &*descriptor, sizeof(int));
  }
  return SendPacket(message);
}

absl::Status DescriptorSocket::SendPiece(uint64_t total, std::span<const std::byte> piece) {
  PieceHeader header{.total = total};
  std::array<iovec, 2> parts{};
  parts[0] = {.iov_base = &header, .iov_len = sizeof(header)};
  // The kernel only reads it.
  parts[1] = {.iov_base = const_cast<std::byte*>(piece.data()), .iov_len = piece.size()};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return SendPacket(message);
}

absl::Status DescriptorSocket::SendPacket(msghdr& message) {
  while (true) {
    if (::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return absl::OkStatus();
    switch (errno) {
      case EINTR:
        continue;
      case EAGAIN:
      case ENOBUFS:
      case ETOOMANYREFS:  // Too many descriptors are on their way: they count as open files.
        return absl::ResourceExhaustedError(
            "the descriptor socket is full; send again when it is writable");
      case EPIPE:
      case ECONNRESET:
      case ENOTCONN:
        return absl::UnavailableError("the peer has closed its descriptor socket");
      default:
        return SystemError(errno, "cannot send on the descriptor socket");
    }
  }
}

absl::StatusOr<std::optional<DescriptorSocket::Received>> DescriptorSocket::Receive() {
  if (batch_ == nullptr) batch_ = std::make_unique_for_overwrite<Batch>();
  if (batch_->empty()) RETURN_IF_ERROR(batch_->Fill(fd_.get()));
  if (batch_->empty()) return std::nullopt;
  const Batch::Packet packet = batch_->Next();
  msghdr& message = packet.message;
  const std::span<const std::byte> bytes = packet.bytes;
  std::vector<UniqueFd> descriptors = TakeDescriptors(message);
  // An empty packet looks like the end of file, which must prove the peer dead: ask twice.
  if (bytes.empty() && descriptors.empty() && hung_up()) {
    return absl::UnavailableError("the peer has closed its descriptor socket");
  }
  const size_t size = bytes.size();
  PieceHeader header;
  if (size > sizeof(header)) std::memcpy(&header, bytes.data(), sizeof(header));
  const bool is_piece = size > sizeof(header) && header.no_session == kNoSession;
  if ((!is_piece && size != sizeof(Announcement)) || (message.msg_flags & MSG_TRUNC) != 0) {
    return absl::InvalidArgumentError(StrCat(
        "a packet of ", size, " bytes on the descriptor socket, which is neither a segment's ",
        "announcement (", sizeof(Announcement), " bytes) nor a piece of a message"));
  }
  if (is_piece) {
    if (header.total < size - sizeof(header) || !descriptors.empty()) {
      return absl::InvalidArgumentError("a malformed piece of a message on the descriptor socket");
    }
    return Received{.announcement = {},
                    .descriptor = UniqueFd(),
                    .total = header.total,
                    .piece = bytes.subspan(sizeof(header)),
                    .size = size};
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0 && descriptors.empty()) {
    return absl::ResourceExhaustedError(
        "a descriptor was lost: this process has too many open files; raise 'ulimit -n'");
  }
  if (descriptors.size() > 1 || (message.msg_flags & MSG_CTRUNC) != 0) {
    return absl::InvalidArgumentError("more than one descriptor came with an announcement");
  }
  Received result;
  std::memcpy(&result.announcement, bytes.data(), sizeof(Announcement));
  if (!descriptors.empty()) result.descriptor = std::move(descriptors.front());
  return result;
}

absl::StatusOr<DescriptorListener> DescriptorListener::Create(std::string path) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  UniqueFd fd(::socket(AF_UNIX, kSocketType, 0));
  if (!fd.valid()) return SystemError(errno, "cannot make a Unix socket");
  const std::string what = StrCat("cannot listen on the descriptor socket '", path, "'");
  if (::bind(fd.get(), Generic(address), sizeof(address)) != 0) {
    if (errno == EADDRINUSE) {
      return absl::AlreadyExistsError(
          StrCat(what, ": the path is taken; remove it, or choose another"));
    }
    return absl::ErrnoToStatus(errno, what);
  }
  DescriptorListener listener(std::move(fd), std::move(path));
  // Nobody can connect before listen, so there is no moment at which others could.
  if (::chmod(listener.path_.c_str(), S_IRUSR | S_IWUSR) != 0 ||
      ::listen(listener.fd(), kBacklog) != 0) {
    return SystemError(errno, what);
  }
  return listener;
}

DescriptorListener& DescriptorListener::operator=(DescriptorListener&& other) noexcept {
  DescriptorListener held(std::move(other));
  std::swap(fd_, held.fd_);
  std::swap(path_, held.path_);
  return *this;
}

DescriptorListener::~DescriptorListener() {
  if (fd_.valid()) ::unlink(path_.c_str());
}

absl::StatusOr<std::optional<DescriptorSocket>> DescriptorListener::Accept() {
  while (true) {
    UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN) return std::nullopt;
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        return absl::ResourceExhaustedError(
            absl::ErrnoToStatus(errno, "cannot accept on a descriptor socket").message());
      }
      return SystemError(errno, "cannot accept on a descriptor socket");
    }
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
      return SystemError(errno, "cannot tell who connected to a descriptor socket");
    }
    if (peer.uid != ::geteuid()) continue;
    return DescriptorSocket(std::move(fd));
  }
}

}  // namespace tiffin::shm
