#include "worker/runtime/descriptor_acceptor.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/sanitized.h"

namespace tiffin::worker {
namespace {

// The loop's clock stands still unless the test moves it.
class DescriptorAcceptorTest : public ::testing::Test {
 protected:
  DescriptorAcceptorTest() {
    auto listener = shm::DescriptorListener::Create(path_);
    EXPECT_TRUE(listener.ok()) << listener.status();
    loop_.Do([&] {
      acceptor_.emplace(
          *std::move(listener), loop_.loop(), watcher_,
          [this](shm::DescriptorSocket socket) { accepted_.push_back(std::move(socket)); });
    });
  }
  ~DescriptorAcceptorTest() override {
    loop_.Do([&] { acceptor_.reset(); });
  }

  // A client that comes while this process may open no more files; when this returns, it may.
  UniqueFd ConnectWithoutDescriptors() {
    UniqueFd client(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    rlimit before{};
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(UniqueFd(dup(client.get())).get());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int connected =
        connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    AwaitQuiet();
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(connected, 0);
    return client;
  }
  // Until the watcher and the loop have seen to all that there was before.
  void AwaitQuiet() {
    absl::Notification seen_to;
    const auto watch = watcher_.Add(readable_.get(), Watcher::Interest::kReadable, [&] {
      seen_to.Notify();
      return false;
    });
    seen_to.WaitForNotification();
    loop_.Do([] {});
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/w.fd";
  const UniqueFd readable_{eventfd(1, EFD_CLOEXEC)};
  ManualClock clock_;
  LoopThread loop_{clock_};
  Watcher watcher_;  // After the loop, which its thread may still be in.
  std::optional<DescriptorAcceptor> acceptor_;
  std::vector<shm::DescriptorSocket> accepted_;  // On the loop's thread.
};

TEST_F(DescriptorAcceptorTest, HandsOverAllThatCome) {
  const auto first = shm::DescriptorSocket::Connect(path_);
  const auto second = shm::DescriptorSocket::Connect(path_);
  ASSERT_TRUE(first.ok() && second.ok());

  EXPECT_TRUE(loop_.Await([&] { return accepted_.size() == 2; }));
}

// Tries that follow one another at once would take a whole core.
TEST_F(DescriptorAcceptorTest, WithoutADescriptorItWaitsForAMomentAndGoesOn) {
  if (kChecksNeedDescriptors) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  const UniqueFd client = ConnectWithoutDescriptors();

  AwaitQuiet();
  EXPECT_EQ(loop_.Do([&] { return accepted_.size(); }), 0U) << "it tries again and again";

  clock_.Advance(absl::Milliseconds(100));
  loop_.RunTimers();

  EXPECT_TRUE(loop_.Await([&] { return accepted_.size() == 1; }));
}

TEST_F(DescriptorAcceptorTest, ItCanEndWhileItWaits) {
  if (kChecksNeedDescriptors) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  const UniqueFd client = ConnectWithoutDescriptors();

  loop_.Do([&] { acceptor_.reset(); });
  clock_.Advance(absl::Milliseconds(100));
  loop_.RunTimers();

  EXPECT_TRUE(accepted_.empty());
}

}  // namespace
}  // namespace tiffin::worker
