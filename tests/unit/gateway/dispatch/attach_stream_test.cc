#include "gateway/dispatch/attach_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "common/strings.h"
#include "common/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::gateway {
namespace {

constexpr int kPatienceMs = 20'000;

// An HTTP/2 server's first frame, without which no connection is made: an empty SETTINGS.
constexpr std::array<uint8_t, 9> kSettings = {0, 0, 0, 4, 0, 0, 0, 0, 0};

// A worker that accepts connections, and says nothing by itself.
class AttachStreamTest : public ::testing::Test {
 protected:
  AttachStreamTest() : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
  }
  ~AttachStreamTest() override { Destroy(); }

  void Create() {
    loop_.Do([&] {
      stream_ = std::make_unique<AttachStream>(
          WorkerAddress{.target = StrCat("unix:", path_), .server_name = ""},
          /*credentials=*/nullptr, loop_.loop(), [](const worker::v1::Frames&) {},
          [](const absl::Status&) {});
    });
  }
  void Destroy() {
    loop_.Do([&] { stream_.reset(); });
  }
  static bool AwaitReadable(int fd) {
    pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&polled, 1, kPatienceMs) == 1;
  }
  // The next connection.
  UniqueFd Accept() {
    EXPECT_TRUE(AwaitReadable(listener_.get()));
    return UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  // The client has closed the connection, or is about to.
  static bool AwaitClosed(const UniqueFd& connection) {
    std::array<char, 4096> ignored;
    while (AwaitReadable(connection.get())) {
      if (read(connection.get(), ignored.data(), ignored.size()) <= 0) return true;
    }
    return false;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/w";
  const UniqueFd listener_;
  LoopThread loop_;
  std::unique_ptr<AttachStream> stream_;  // Of the loop's thread.
};

TEST_F(AttachStreamTest, OneThatIsDestroyedClosesItsConnection) {
  Create();
  const UniqueFd connection = Accept();
  ASSERT_EQ(write(connection.get(), kSettings.data(), kSettings.size()),
            static_cast<ssize_t>(kSettings.size()));

  Destroy();

  EXPECT_TRUE(AwaitClosed(connection));
}

TEST_F(AttachStreamTest, OneThatIsDestroyedWhileItConnectsClosesItsConnection) {
  Create();
  const UniqueFd connection = Accept();

  Destroy();
  ASSERT_EQ(write(connection.get(), kSettings.data(), kSettings.size()),
            static_cast<ssize_t>(kSettings.size()));

  EXPECT_TRUE(AwaitClosed(connection));
}

}  // namespace
}  // namespace tiffin::gateway
