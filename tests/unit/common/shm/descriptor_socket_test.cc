#include "common/shm/descriptor_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/shm/open_descriptors.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::shm {
namespace {

constexpr uint64_t kSize = 8192;

std::pair<DescriptorSocket, DescriptorSocket> MakePair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()), 0);
  return {DescriptorSocket(UniqueFd(fds[0])), DescriptorSocket(UniqueFd(fds[1]))};
}

// What Receive gives, where something must be there.
DescriptorSocket::Received MustReceive(DescriptorSocket& socket) {
  absl::StatusOr<std::optional<DescriptorSocket::Received>> received = socket.Receive();
  if (received.ok() && !received->has_value()) {
    pollfd waiting{.fd = socket.fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&waiting, 1, 10'000), 1);
    received = socket.Receive();
  }
  EXPECT_TRUE(received.ok()) << received.status();
  EXPECT_TRUE(received.ok() && received->has_value());
  if (!received.ok() || !received->has_value()) return {};
  return **std::move(received);
}

// A packet of any form: what a peer that is not ours might send.
void SendRaw(int socket, size_t bytes, const std::vector<int>& descriptors) {
  std::vector<char> data(bytes + 1);
  iovec part{.iov_base = data.data(), .iov_len = bytes};
  std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  }
  ASSERT_EQ(::sendmsg(socket, &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes));
}

TEST(DescriptorSocketTest, PassesAnnouncementsBothWaysInOrder) {
  auto [left, right] = MakePair();
  const OwnedSegment segment = *OwnedSegment::Create(kSize);

  ASSERT_TRUE(left.Send({.session = 5}, std::nullopt).ok());
  ASSERT_TRUE(left.Send({.session = 5, .segment = 1, .size = kSize}, segment.fd()).ok());
  ASSERT_TRUE(right.Send({.session = 6, .segment = 2, .size = kSize}, segment.fd()).ok());

  const DescriptorSocket::Received greeting = MustReceive(right);
  EXPECT_EQ(greeting.announcement.session, 5U);
  EXPECT_EQ(greeting.announcement.segment, 0U);
  EXPECT_FALSE(greeting.descriptor.valid());
  DescriptorSocket::Received there = MustReceive(right);
  EXPECT_EQ(there.announcement.segment, 1U);
  EXPECT_EQ(there.announcement.size, kSize);
  EXPECT_NE(::fcntl(there.descriptor.get(), F_GETFD) & FD_CLOEXEC, 0);
  DescriptorSocket::Received back = MustReceive(left);
  EXPECT_EQ(back.announcement.session, 6U);
  EXPECT_EQ(back.announcement.segment, 2U);
  EXPECT_TRUE(ForeignSegment::Receive(std::move(there.descriptor), kSize).ok());
  EXPECT_TRUE(ForeignSegment::Receive(std::move(back.descriptor), kSize).ok());
}

TEST(DescriptorSocketTest, PassesPiecesOfMessagesAmongAnnouncements) {
  auto [left, right] = MakePair();
  const std::string large(DescriptorSocket::kMaxPiece, 'p');

  ASSERT_TRUE(left.Send({.session = 5, .segment = 1}, std::nullopt).ok());
  ASSERT_TRUE(left.SendPiece(large.size() + 1, AsBytes(large)).ok());
  ASSERT_TRUE(left.SendPiece(large.size() + 1, AsBytes("q")).ok());
  ASSERT_TRUE(left.Send({.session = 5, .segment = 2}, std::nullopt).ok());

  EXPECT_EQ(MustReceive(right).announcement.segment, 1U);
  const DescriptorSocket::Received first = MustReceive(right);
  EXPECT_EQ(first.total, large.size() + 1);
  EXPECT_EQ(AsStringView(first.piece), large);
  const DescriptorSocket::Received second = MustReceive(right);
  EXPECT_EQ(second.total, large.size() + 1);
  EXPECT_EQ(AsStringView(second.piece), "q");
  const DescriptorSocket::Received last = MustReceive(right);
  EXPECT_EQ(last.total, 0U);
  EXPECT_EQ(last.announcement.segment, 2U);
}

TEST(DescriptorSocketTest, RefusesMalformedPiecesAndClosesTheirDescriptors) {
  auto [left, right] = MakePair();
  const OwnedSegment segment = *OwnedSegment::Create(kSize);
  const size_t before = OpenDescriptors();
  const auto refused = [&left = left, &right = right](uint64_t total, size_t bytes) {
    std::vector<uint64_t> packet(2 + bytes / 8, kNoSession);
    packet[1] = total;
    EXPECT_EQ(::send(left.fd(), packet.data(), packet.size() * 8, MSG_NOSIGNAL),
              static_cast<ssize_t>(packet.size() * 8));
    return right.Receive().status().code() == absl::StatusCode::kInvalidArgument;
  };

  EXPECT_TRUE(refused(0, 0)) << "nothing in it";
  EXPECT_TRUE(refused(16, 0)) << "nothing in it, of something";
  EXPECT_TRUE(refused(15, 16)) << "more than the whole";
  EXPECT_TRUE(refused(1 << 20, DescriptorSocket::kMaxPiece + 8)) << "too large";
  SendRaw(left.fd(), 100, {segment.fd()});
  EXPECT_EQ(right.Receive().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(DescriptorSocketTest, TellsHowManyBytesHaveArrived) {
  auto [left, right] = MakePair();
  EXPECT_EQ(right.bytes_there(), 0U);
  ASSERT_TRUE(left.Send({.session = 1}, std::nullopt).ok());
  ASSERT_TRUE(left.SendPiece(100, AsBytes("piece")).ok());
  ASSERT_TRUE(left.Send({.session = 2}, STDIN_FILENO).ok());

  size_t there = right.bytes_there();

  for (int packet = 0; packet < 3; ++packet) {
    EXPECT_GT(there, 0U);
    there -= MustReceive(right).size;
    EXPECT_EQ(right.bytes_there(), there) << "in the kernel, or taken in with those before";
  }
  EXPECT_EQ(there, 0U);
}

TEST(DescriptorSocketTest, TellsWhetherThePeerHasHungUp) {
  auto [left, right] = MakePair();
  EXPECT_FALSE(right.hung_up());
  ASSERT_TRUE(left.Send({.session = 1}, std::nullopt).ok());

  { const DescriptorSocket closed = std::move(left); }

  EXPECT_TRUE(right.hung_up());
  EXPECT_EQ(MustReceive(right).announcement.session, 1U);
}

TEST(DescriptorSocketTest, IsDrainedWhenAllThatCameHasBeenReceived) {
  auto [sender, receiver] = MakePair();
  EXPECT_FALSE(receiver.drained()) << "it has not looked";
  for (uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(sender.Send({.session = 1, .segment = i, .size = kSize}, std::nullopt).ok());
  }

  for (uint64_t i = 1; i <= 3; ++i) {
    EXPECT_FALSE(receiver.drained());
    EXPECT_EQ(MustReceive(receiver).announcement.segment, i);
  }

  EXPECT_TRUE(receiver.drained());
}

TEST(DescriptorSocketTest, IsNotDrainedWhereMoreMayHaveCome) {
  auto [sender, receiver] = MakePair();
  for (uint64_t i = 1; i <= 20; ++i) {  // More than come by one system call.
    ASSERT_TRUE(sender.Send({.session = 1, .segment = i, .size = kSize}, std::nullopt).ok());
  }

  for (uint64_t i = 1; i <= 20; ++i) {
    EXPECT_FALSE(receiver.drained());
    EXPECT_EQ(MustReceive(receiver).announcement.segment, i);
  }

  EXPECT_TRUE(receiver.drained());
}

TEST(DescriptorSocketTest, ClosesTheDescriptorsThatWereNotTaken) {
  const size_t before = OpenDescriptors();
  {
    auto [sender, receiver] = MakePair();
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (uint64_t i = 1; i <= 3; ++i) {
      ASSERT_TRUE(sender.Send({.session = 1, .segment = i, .size = kSize}, file.get()).ok());
    }
    EXPECT_EQ(MustReceive(receiver).announcement.segment, 1U);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(DescriptorSocketTest, HasNothingToReceiveBeforeAnythingIsSent) {
  auto [left, right] = MakePair();

  const absl::StatusOr<std::optional<DescriptorSocket::Received>> received = left.Receive();

  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_FALSE(received->has_value());
}

TEST(DescriptorSocketTest, TellsThatThePeerIsGone) {
  auto [left, right] = MakePair();
  { const DescriptorSocket gone = std::move(right); }

  EXPECT_EQ(left.Receive().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(left.Receive().status().code(), absl::StatusCode::kUnavailable) << "and goes on so";
  EXPECT_EQ(left.Send({.session = 1}, std::nullopt).code(), absl::StatusCode::kUnavailable);
}

TEST(DescriptorSocketTest, DeliversWhatThePeerSentBeforeItEnded) {
  auto [left, right] = MakePair();
  ASSERT_TRUE(right.Send({.session = 7}, std::nullopt).ok());
  { const DescriptorSocket gone = std::move(right); }

  EXPECT_EQ(MustReceive(left).announcement.session, 7U);
  EXPECT_EQ(left.Receive().status().code(), absl::StatusCode::kUnavailable);
}

// The kernel reports a reset first where the peer had not read all that was sent to it.
TEST(DescriptorSocketTest, DeliversWhatThePeerSentThoughItHadNotReadAll) {
  auto [left, right] = MakePair();
  const OwnedSegment segment = *OwnedSegment::Create(kSize);
  ASSERT_TRUE(left.Send({.session = 7}, std::nullopt).ok());
  ASSERT_TRUE(right.Send({.session = 7, .segment = 1, .size = kSize}, segment.fd()).ok());
  { const DescriptorSocket gone = std::move(right); }

  DescriptorSocket::Received received = MustReceive(left);
  EXPECT_EQ(received.announcement.segment, 1U);
  EXPECT_TRUE(ForeignSegment::Receive(std::move(received.descriptor), kSize).ok());
  EXPECT_EQ(left.Receive().status().code(), absl::StatusCode::kUnavailable);
}

TEST(DescriptorSocketTest, SaysThatItIsFullAndSendsAgainWhenThereIsRoom) {
  auto [left, right] = MakePair();
  absl::Status status;
  uint64_t sent = 0;
  while (sent < 1'000'000) {
    status = left.Send({.session = sent}, std::nullopt);
    if (!status.ok()) break;
    ++sent;
  }
  ASSERT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;

  for (uint64_t i = 0; i < sent; ++i) EXPECT_EQ(MustReceive(right).announcement.session, i);

  EXPECT_FALSE((*right.Receive()).has_value()) << "the one that was refused has not been sent";
  EXPECT_TRUE(left.Send({.session = 1}, std::nullopt).ok());
}

TEST(DescriptorSocketTest, SendLeavesTheDescriptorWithTheCaller) {
  auto [left, right] = MakePair();
  const OwnedSegment segment = *OwnedSegment::Create(kSize);
  const size_t before = OpenDescriptors();

  ASSERT_TRUE(left.Send({.session = 1, .segment = 1, .size = kSize}, segment.fd()).ok());
  EXPECT_EQ(OpenDescriptors(), before);
  { const DescriptorSocket::Received received = MustReceive(right); }

  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(DescriptorSocketTest, ClosesSurplusDescriptors) {
  auto [left, right] = MakePair();
  const OwnedSegment segment = *OwnedSegment::Create(kSize);
  const size_t before = OpenDescriptors();

  for (const size_t count : {2U, 3U, 4U, 5U, 6U, 100U}) {
    SCOPED_TRACE(count);
    SendRaw(left.fd(), sizeof(Announcement), std::vector<int>(count, segment.fd()));
    EXPECT_EQ(right.Receive().status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(OpenDescriptors(), before);
  }
  ASSERT_TRUE(left.Send({.session = 9}, std::nullopt).ok());
  EXPECT_EQ(MustReceive(right).announcement.session, 9U) << "the socket still works";
}

TEST(DescriptorSocketTest, RefusesPacketsOfTheWrongSizeAndClosesTheirDescriptors) {
  auto [left, right] = MakePair();
  const OwnedSegment segment = *OwnedSegment::Create(kSize);
  const size_t before = OpenDescriptors();

  for (const size_t bytes : {0U, 1U, 23U, 25U, 4096U}) {
    for (const size_t count : {0U, 1U}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes, " << count << " descriptors");
      SendRaw(left.fd(), bytes, std::vector<int>(count, segment.fd()));
      EXPECT_EQ(right.Receive().status().code(), absl::StatusCode::kInvalidArgument)
          << "an empty packet in particular must not look like the end of file";
      EXPECT_EQ(OpenDescriptors(), before);
    }
  }
}

TEST(DescriptorSocketTest, SaysThatADescriptorIsLostWhenNoMoreFilesMayBeOpened) {
  auto [left, right] = MakePair();
  const OwnedSegment segment = *OwnedSegment::Create(kSize);
  ASSERT_TRUE(left.Send({.session = 1, .segment = 1, .size = kSize}, segment.fd()).ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get();
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);

  const absl::Status status = right.Receive().status();

  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

TEST(DescriptorListenerTest, ConnectsTheTwoEnds) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  absl::StatusOr<DescriptorListener> listener = DescriptorListener::Create(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  ASSERT_FALSE((*listener->Accept()).has_value()) << "nobody has connected yet";

  absl::StatusOr<DescriptorSocket> client = DescriptorSocket::Connect(path);
  ASSERT_TRUE(client.ok()) << client.status();
  absl::StatusOr<std::optional<DescriptorSocket>> server = listener->Accept();
  ASSERT_TRUE(server.ok() && server->has_value()) << server.status();
  ASSERT_TRUE(client->Send({.session = 3}, std::nullopt).ok());

  EXPECT_EQ(MustReceive(**server).announcement.session, 3U);
}

TEST(DescriptorListenerTest, IsForThisUserAlone) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  const absl::StatusOr<DescriptorListener> listener = DescriptorListener::Create(path);
  ASSERT_TRUE(listener.ok()) << listener.status();

  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);

  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(DescriptorListenerTest, TurnsAwayAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  absl::StatusOr<DescriptorListener> listener = DescriptorListener::Create(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0777), 0);

  const pid_t child = ::fork();
  if (child == 0) {
    const bool connected = ::setuid(65'534) == 0 && DescriptorSocket::Connect(path).ok();
    ::_exit(connected ? 0 : 1);
  }
  int child_status = -1;
  ASSERT_EQ(::waitpid(child, &child_status, 0), child);
  ASSERT_EQ(child_status, 0) << "the other user could not even try";

  const absl::StatusOr<std::optional<DescriptorSocket>> accepted = listener->Accept();
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_FALSE(accepted->has_value());
}

TEST(DescriptorListenerTest, RemovesItsPathWhenItEnds) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  {
    absl::StatusOr<DescriptorListener> listener = DescriptorListener::Create(path);
    ASSERT_TRUE(listener.ok()) << listener.status();
    const DescriptorListener moved = *std::move(listener);
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(DescriptorSocket::Connect(path).status().code(), absl::StatusCode::kUnavailable);
}

TEST(DescriptorListenerTest, RemovesItsPathWhenItIsAssignedOver) {
  const TemporaryFolder folder;
  DescriptorListener listener = *DescriptorListener::Create(folder.path() + "/first");

  listener = *DescriptorListener::Create(folder.path() + "/second");

  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/first"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/second"));
}

TEST(DescriptorListenerTest, RefusesATakenPathAndLeavesItAlone) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  const absl::StatusOr<DescriptorListener> first = DescriptorListener::Create(path);
  ASSERT_TRUE(first.ok()) << first.status();

  const absl::Status second = DescriptorListener::Create(path).status();

  EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.message()), testing::HasSubstr(path));
  EXPECT_TRUE(DescriptorSocket::Connect(path).ok()) << "the first one still listens";
}

TEST(DescriptorListenerTest, RefusesPathsThatASocketCannotHave) {
  const TemporaryFolder folder;
  const std::string longest =
      folder.path() + "/" + std::string(107 - folder.path().size() - 1, 'x');
  EXPECT_TRUE(DescriptorListener::Create(longest).ok());

  for (const std::string& path : {longest + "x", std::string(300, 'x'), std::string(),
                                  std::string("\0abstract", 9), std::string("a\0b", 3)}) {
    EXPECT_EQ(DescriptorListener::Create(path).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DescriptorSocket::Connect(path).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(DescriptorListenerTest, SaysWhereItCannotListen) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/no/such/folder";

  const absl::Status status = DescriptorListener::Create(path).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(path));
}

TEST(DescriptorSocketTest, ATensorOutlivesTheProcessThatMadeIt) {
  auto [ours, theirs] = MakePair();
  const pid_t child = ::fork();
  if (child == 0) {
    const absl::StatusOr<OwnedSegment> segment = OwnedSegment::Create(kSize);
    if (!segment.ok()) ::_exit(1);
    std::ranges::fill(segment->bytes(), std::byte{42});
    const absl::Status sent =
        theirs.Send({.session = 1, .segment = 4, .size = kSize}, segment->fd());
    ::_exit(sent.ok() ? 0 : 2);
  }
  { const DescriptorSocket closed = std::move(theirs); }
  int child_status = -1;
  ASSERT_EQ(::waitpid(child, &child_status, 0), child);
  ASSERT_EQ(child_status, 0);

  DescriptorSocket::Received received = MustReceive(ours);
  ASSERT_EQ(ours.Receive().status().code(), absl::StatusCode::kUnavailable)
      << "end of file proves the peer dead";
  absl::StatusOr<ForeignSegment> segment =
      ForeignSegment::Receive(std::move(received.descriptor), received.announcement.size);
  ASSERT_TRUE(segment.ok()) << segment.status();
  const absl::StatusOr<std::span<const std::byte>> bytes = segment->Map();

  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(std::ranges::count(*bytes, std::byte{42}), static_cast<long>(kSize));
}

}  // namespace
}  // namespace tiffin::shm
