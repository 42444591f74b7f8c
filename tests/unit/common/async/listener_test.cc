#include "common/async/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/sanitized.h"

namespace tiffin {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// In place of gRPC: keeps what it is given until it is told to close one.
class Connections : public Listener::Acceptor {
 public:
  void HandleNewConnection(NewConnectionParameters* connection) override {
    const absl::MutexLock lock(&mutex_);
    open_.push_back(connection->fd);
  }
  ~Connections() override {
    while (CloseOne()) {
    }
  }
  [[nodiscard]] bool Await(size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [this, count]()
                           ABSL_NO_THREAD_SAFETY_ANALYSIS { return open_.size() == count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  }
  bool CloseOne() {
    const absl::MutexLock lock(&mutex_);
    if (open_.empty()) return false;
    close(open_.back());
    open_.pop_back();
    return true;
  }

 private:
  absl::Mutex mutex_;
  std::vector<int> open_ ABSL_GUARDED_BY(mutex_);
};

bool Connect(const UniqueFd& socket, const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
}

UniqueFd Connected(const std::string& address) {
  UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return Connect(client, address) ? std::move(client) : UniqueFd();
}

bool IsClosedByServer(const UniqueFd& client) {
  pollfd ready{.fd = client.get(), .events = POLLIN, .revents = 0};
  char byte;
  return poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) == 1 &&
         read(client.get(), &byte, 1) <= 0;
}

class ListenerTest : public ::testing::Test {
 protected:
  // At a port that it picks.
  void Start(int max_connections) {
    auto bound = Listener::Bind("127.0.0.1:0");
    ASSERT_TRUE(bound.ok()) << bound.status();
    listener_ = *std::move(bound);
    Start(*listener_, max_connections);
  }
  void Start(Listener& listener, int max_connections) {
    listener.Start(connections_, {.max_connections = max_connections,
                                  .guard = std::nullopt,
                                  .turned_away = [this] { ++turned_away_; },
                                  .tick = [this] { ++ticks_; },
                                  .tick_interval = absl::Milliseconds(1)});
  }
  // Whatever waited has been seen to.
  [[nodiscard]] bool AwaitTicks(int count) {
    const absl::Time give_up = absl::Now() + kPatience;
    const int wanted = ticks_ + count;
    while (ticks_ < wanted) {
      if (absl::Now() > give_up) return false;
      std::this_thread::yield();
    }
    return true;
  }

  TemporaryFolder folder_;
  Connections connections_;
  std::atomic<int> turned_away_ = 0;
  std::atomic<int> ticks_ = 0;
  std::unique_ptr<Listener> listener_;  // Last: its thread uses the others.
};

TEST_F(ListenerTest, ItPicksAPortAndGivesConnectionsAway) {
  Start(10);
  EXPECT_THAT(listener_->address(), Not(EndsWith(":0")));
  const UniqueFd one = Connected(listener_->address());
  const UniqueFd other = Connected(listener_->address());
  EXPECT_TRUE(connections_.Await(2));
  EXPECT_EQ(listener_->connections(), 2);
  EXPECT_EQ(turned_away_, 0);
}

TEST_F(ListenerTest, OneTooManyIsClosedUntilThereIsRoomAgain) {
  Start(1);
  const UniqueFd first = Connected(listener_->address());
  ASSERT_TRUE(connections_.Await(1));
  const UniqueFd second = Connected(listener_->address());
  EXPECT_TRUE(IsClosedByServer(second));

  connections_.CloseOne();

  EXPECT_EQ(listener_->connections(), 0);
  const UniqueFd third = Connected(listener_->address());
  EXPECT_TRUE(connections_.Await(1));
  EXPECT_EQ(turned_away_, 1);
}

TEST_F(ListenerTest, WithoutADescriptorItWaitsForOne) {
  if (kChecksNeedDescriptors) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  Start(10);
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd lowest(dup(client.get()));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest.get()) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool connected = Connect(client, listener_->address());
  const bool seen_to = AwaitTicks(2);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);

  EXPECT_TRUE(connected && seen_to);
  EXPECT_TRUE(connections_.Await(1));
  EXPECT_EQ(turned_away_, 0);
}

TEST_F(ListenerTest, ItTicksThoughNobodyComes) {
  Start(10);
  EXPECT_TRUE(AwaitTicks(3));
}

TEST_F(ListenerTest, StopClosesTheAddressAndNotTheConnections) {
  Start(10);
  const std::string address = listener_->address();
  const UniqueFd client = Connected(address);
  ASSERT_TRUE(connections_.Await(1));

  listener_->Stop();

  EXPECT_FALSE(Connected(address).valid());
  EXPECT_TRUE(connections_.Await(1));
  EXPECT_TRUE(Listener::Bind(address).ok());
}

TEST_F(ListenerTest, ATakenPortIsSaid) {
  Start(10);
  const auto other = Listener::Bind(listener_->address());
  EXPECT_EQ(other.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Message(other.status())), HasSubstr(listener_->address()));
}

TEST_F(ListenerTest, WhatIsNoAddressIsRefused) {
  for (const std::string& wrong :
       {std::string(), std::string("8001"), std::string(":8001"), std::string("127.0.0.1:"),
        std::string("127.0.0.1:x"), std::string("127.0.0.1:70000"), std::string("no host at all:1"),
        std::string("unix:"), "unix:/" + std::string(200, 'x')}) {
    const auto bound = Listener::Bind(wrong);
    EXPECT_EQ(bound.status().code(), absl::StatusCode::kInvalidArgument) << wrong;
    EXPECT_THAT(std::string(Message(bound.status())), HasSubstr("HOST:PORT")) << wrong;
  }
}

TEST_F(ListenerTest, APathIsItsAloneAndGoesWithIt) {
  const std::string path = folder_.path() + "/s";
  auto bound = Listener::Bind("unix:" + path);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ((*bound)->address(), "unix:" + path);
  Start(**bound, 10);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path.data(), path.size());
  const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  EXPECT_TRUE(connections_.Await(1));

  EXPECT_EQ(Listener::Bind("unix:" + path).status().code(), absl::StatusCode::kUnavailable);
  (*bound)->Stop();

  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(Listener::Bind("unix:" + path).ok());
}

TEST_F(ListenerTest, ALeftoverSocketIsReplacedAndAFileIsNot) {
  const std::string path = folder_.path() + "/s";
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, path.data(), path.size());
  const UniqueFd leftover(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(leftover.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
  EXPECT_TRUE(Listener::Bind("unix:" + path).ok());

  const std::string file = folder_.path() + "/f";
  std::ofstream(file) << "precious";
  EXPECT_EQ(Listener::Bind("unix:" + file).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::filesystem::file_size(file), 8U);
}

}  // namespace
}  // namespace tiffin
