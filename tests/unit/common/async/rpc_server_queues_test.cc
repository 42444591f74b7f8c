// A server with several queues, each with a loop of its own.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/async/rpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/rpc_server_fixture.h"

namespace tiffin {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::SizeIs;

constexpr size_t kQueues = 3;
const std::string kMethod = "/test.Service/Unary";

class RpcServerQueuesTest : public ::testing::Test {
 protected:
  RpcServerQueuesTest() {
    for (size_t i = 0; i < kQueues; ++i) {
      loops_.push_back(std::make_unique<LoopThread>(server_.queue(i)));
    }
  }
  ~RpcServerQueuesTest() override {
    server_.Shutdown(absl::ZeroDuration());
    for (const auto& loop : loops_) loop->Stop();
  }

  // Each RPC goes to `start`, with the index of its queue, on that queue's loop.
  void Serve(const std::function<void(size_t queue, Rpc&)>& start) {
    std::vector<RpcServer::QueueUser> users;
    for (size_t i = 0; i < kQueues; ++i) {
      services_.push_back(std::make_unique<TestService>(
          [start, i](Rpc& rpc) {
            start(i, rpc);
            return true;
          },
          std::vector<std::string>{kMethod}));
      users.push_back({.loop = loops_[i]->loop(), .services = {services_.back().get()}});
    }
    const auto opened =
        loops_[0]->Do([&] { return server_.Open("unix:" + folder_.path() + "/s", users); });
    ASSERT_TRUE(opened.ok()) << opened.status();
    address_ = *opened;
  }
  std::shared_ptr<grpc::Channel> Connect() const { return TestChannel(address_); }

  int active() {
    int sum = 0;
    for (size_t i = 0; i < kQueues; ++i) {
      sum += loops_[i]->Do([&] { return server_.active(i); });
    }
    return sum;
  }

  TemporaryFolder folder_;
  std::string address_;
  std::vector<std::unique_ptr<RpcService>> services_;
  RpcServer server_{kQueues};
  std::vector<std::unique_ptr<LoopThread>> loops_;
};

TEST_F(RpcServerQueuesTest, ConnectionsAreDealtOutToTheQueues) {
  Serve([](size_t queue, Rpc& rpc) {
    rpc.Finish(absl::OkStatus(), ToBuffer(std::to_string(queue)));
  });
  std::map<std::string, int> served;

  for (size_t i = 0; i < 4 * kQueues; ++i) {
    const auto connection = Connect();
    const std::string queue = CallUnary(connection, kMethod, "who?").text;
    ++served[queue];
    // All RPCs of a connection go to one queue, of whichever kind.
    EXPECT_EQ(CallUnary(connection, kMethod, "who?").text, queue);
    EXPECT_EQ(CallUnary(connection, "/test.Service/Other", "who?").text, queue);
  }

  EXPECT_THAT(served, SizeIs(kQueues));
  for (const auto& [queue, count] : served) EXPECT_EQ(count, 4) << "of queue " << queue;
}

TEST_F(RpcServerQueuesTest, AnRpcStaysOnItsLoopFromItsAcceptanceToItsEnd) {
  absl::Mutex mutex;
  std::map<size_t, std::vector<std::thread::id>> threads;
  const auto note = [&](size_t queue) {
    const absl::MutexLock lock(&mutex);
    threads[queue].push_back(std::this_thread::get_id());
  };
  Serve([&](size_t queue, Rpc& rpc) {
    note(queue);
    rpc.OnCancelled([&, queue] { note(queue); });
    rpc.Read([&, queue](std::optional<grpc::ByteBuffer> message) {
      note(queue);
      rpc.Write(*std::move(message), [&, queue](bool /*ok*/) {
        note(queue);
        rpc.Finish(absl::OkStatus(), std::nullopt);
      });
    });
  });

  std::vector<std::thread> clients;
  for (size_t i = 0; i < 2 * kQueues; ++i) {
    clients.emplace_back([this] {
      const auto connection = Connect();
      for (int call = 0; call < 20; ++call) {
        EXPECT_EQ(CallUnary(connection, "/test.Service/Stream", "echo").text, "echo");
      }
    });
  }
  for (std::thread& client : clients) client.join();

  EXPECT_THAT(threads, SizeIs(kQueues));
  for (size_t i = 0; i < kQueues; ++i) {
    const auto own = loops_[i]->Do([] { return std::this_thread::get_id(); });
    EXPECT_THAT(threads[i], Each(own)) << "of queue " << i;
    EXPECT_THAT(threads[i].size(), Ge(2U * 20U * 3U));
  }
}

TEST_F(RpcServerQueuesTest, OneConnectionMayHaveMoreCallsThanAQueueAskedForInAdvance) {
  constexpr size_t kCalls = 300;
  std::vector<std::vector<Rpc*>> held(kQueues);
  Serve([&](size_t queue, Rpc& rpc) { held[queue].push_back(&rpc); });
  const auto connection = Connect();
  std::vector<std::unique_ptr<BlockingCall>> calls;
  for (size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<BlockingCall>(connection, "/test.Service/Stream"));
  }
  const absl::Time give_up = absl::Now() + kPatience;
  while (active() < static_cast<int>(kCalls) && absl::Now() < give_up) std::this_thread::yield();
  ASSERT_EQ(active(), static_cast<int>(kCalls));

  for (size_t i = 0; i < kQueues; ++i) {
    loops_[i]->Do([&] {
      for (Rpc* rpc : held[i]) rpc->Finish(absl::OkStatus(), std::nullopt);
    });
  }

  for (const auto& call : calls) EXPECT_TRUE(call->Finish().ok());
}

TEST_F(RpcServerQueuesTest, ShutdownEndsTheRpcsOfAllQueues) {
  Serve([](size_t /*queue*/, Rpc& rpc) {
    rpc.OnCancelled([&rpc] { rpc.Finish(absl::CancelledError("cut"), std::nullopt); });
  });
  std::vector<std::unique_ptr<BlockingCall>> calls;
  for (size_t i = 0; i < 2 * kQueues; ++i) {
    calls.push_back(std::make_unique<BlockingCall>(Connect(), "/test.Service/Stream"));
  }
  const absl::Time give_up = absl::Now() + kPatience;
  while (active() < static_cast<int>(calls.size()) && absl::Now() < give_up) {
    std::this_thread::yield();
  }
  ASSERT_EQ(active(), static_cast<int>(calls.size()));

  server_.Shutdown(absl::ZeroDuration());

  EXPECT_EQ(active(), 0);
  for (const auto& call : calls) EXPECT_FALSE(call->Finish().ok());
}

TEST_F(RpcServerQueuesTest, OpenWantsAUserForEachQueue) {
  const auto opened =
      loops_[0]->Do([&] { return server_.Open("127.0.0.1:0", loops_[0]->loop(), {}); });

  EXPECT_EQ(opened.status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace tiffin
