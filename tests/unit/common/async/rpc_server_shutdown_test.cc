// The server's port, its load and its end.
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/async/rpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/rpc_server_fixture.h"

namespace tiffin {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;

TEST_F(RpcServerTest, TakesMoreCallsAtOnceThanItAskedForInAdvance) {
  constexpr size_t kCalls = 300;
  std::vector<Rpc*> held;
  const auto channel = ServeAll([&](Rpc& rpc) { held.push_back(&rpc); });
  std::vector<std::unique_ptr<BlockingCall>> calls;
  for (size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<BlockingCall>(channel, "/test.Service/Method"));
  }
  ASSERT_TRUE(loop_.Await([&] { return held.size() == kCalls; }));
  EXPECT_EQ(loop_.Do([&] { return server_.active(); }), static_cast<int>(kCalls));

  loop_.Do([&] {
    for (Rpc* rpc : held) rpc->Finish(absl::OkStatus(), std::nullopt);
  });

  for (const auto& call : calls) EXPECT_TRUE(call->Finish().ok());
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(RpcServerTest, PortZeroPicksAPortAndTellsIt) {
  TestService service([](Rpc& rpc) {
    EchoOne(rpc);
    return true;
  });
  const auto address =
      loop_.Do([&] { return server_.Open("127.0.0.1:0", loop_.loop(), {&service}); });
  ASSERT_TRUE(address.ok()) << address.status();

  EXPECT_NE(*address, "127.0.0.1:0");
  EXPECT_EQ(CallUnary(TestChannel(*address), "/a.B/C", "over TCP").text, "over TCP");
}

TEST_F(RpcServerTest, APortThatIsTakenIsAnErrorThatNamesIt) {
  const auto address = loop_.Do([&] { return server_.Open("127.0.0.1:0", loop_.loop(), {}); });
  ASSERT_TRUE(address.ok()) << address.status();

  RpcServer second;
  LoopThread loop(second.queue());
  const auto refused = loop.Do([&] { return second.Open(*address, loop.loop(), {}).status(); });

  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(*address));
  second.Shutdown(absl::ZeroDuration());
  loop.Stop();
}

TEST_F(RpcServerTest, ShutdownLetsCallsEndWithinTheGrace) {
  Rpc* held = nullptr;
  const auto channel = ServeAll([&](Rpc& rpc) { held = &rpc; });
  BlockingCall call(channel, "/test.Service/Method");
  ASSERT_TRUE(loop_.Await([&] { return held != nullptr; }));

  absl::Notification down;
  std::thread shutdown([&] {
    server_.Shutdown(kPatience);
    down.Notify();
  });
  EXPECT_FALSE(down.HasBeenNotified());
  loop_.Do([&] { held->Finish(absl::OkStatus(), ToBuffer("completed")); });

  EXPECT_EQ(call.Read(), "completed");
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_TRUE(down.WaitForNotificationWithTimeout(kPatience));
  shutdown.join();
}

TEST_F(RpcServerTest, ShutdownCancelsWhatRunsBeyondTheGraceAndWaitsForIt) {
  bool told = false;
  Rpc* held = nullptr;
  const auto channel = ServeAll([&](Rpc& rpc) {
    held = &rpc;
    rpc.OnCancelled([&told, &rpc] {
      told = true;
      rpc.Finish(absl::UnavailableError("shutting down"), std::nullopt);
    });
  });
  BlockingCall call(channel, "/test.Service/Method");
  ASSERT_TRUE(loop_.Await([&] { return held != nullptr; }));

  server_.Shutdown(absl::ZeroDuration());

  EXPECT_TRUE(loop_.Do([&] { return told; }));
  EXPECT_THAT(call.Finish().error_code(),
              AnyOf(Eq(grpc::StatusCode::UNAVAILABLE), Eq(grpc::StatusCode::CANCELLED)));
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(RpcServerTest, ShutdownReturnsWhenEveryRpcIsFinishedAndNotBefore) {
  Rpc* held = nullptr;
  bool told = false;
  const auto channel = ServeAll([&](Rpc& rpc) {
    held = &rpc;
    rpc.OnCancelled([&told] { told = true; });
  });
  BlockingCall call(channel, "/test.Service/Method");
  ASSERT_TRUE(loop_.Await([&] { return held != nullptr; }));
  absl::Notification down;
  std::thread shutdown([&] {
    server_.Shutdown(absl::ZeroDuration());
    down.Notify();
  });
  EXPECT_TRUE(loop_.Await([&] { return told; }));
  call.Finish();  // The client has heard of it.

  EXPECT_FALSE(down.WaitForNotificationWithTimeout(absl::Milliseconds(50)));
  loop_.Do([&] { held->Finish(absl::UnavailableError("shutting down"), std::nullopt); });

  EXPECT_TRUE(down.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(loop_.Do([&] { return server_.active(); }), 0);
  shutdown.join();
}

TEST_F(RpcServerTest, ShutdownDuringAWriteThatIsStuckEndsCleanly) {
  for (int round = 0; round < 5; ++round) {
    RpcServer server;
    LoopThread loop(server.queue());
    bool writing = false;
    TestService service([&](Rpc& rpc) {
      // More than the client takes without reading.
      rpc.Write(ToBuffer(std::string(std::size_t{8} << 20, 'x')), [](bool /*ok*/) {});
      rpc.OnCancelled([&rpc] { rpc.Finish(absl::UnavailableError("down"), std::nullopt); });
      writing = true;
      return true;
    });
    const std::string address = "unix:" + folder_.path() + "/stuck" + std::to_string(round);
    ASSERT_TRUE(loop.Do([&] { return server.Open(address, loop.loop(), {&service}).ok(); }));
    BlockingCall call(TestChannel(address), "/test.Service/Method");
    ASSERT_TRUE(loop.Await([&] { return writing; }));

    server.Shutdown(absl::ZeroDuration());

    EXPECT_EQ(loop.Do([&] { return server.active(); }), 0);
    loop.Stop();  // Shuts the queue down, which takes no operation after.
  }
}

TEST_F(RpcServerTest, CallsAfterShutdownAreRefused) {
  const auto channel = ServeAll(EchoOne);
  ASSERT_TRUE(CallUnary(channel, "/test.Service/Method", "x").status.ok());

  server_.Shutdown(absl::ZeroDuration());

  EXPECT_EQ(CallUnary(channel, "/test.Service/Method", "x").status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(RpcServerTest, AServerThatWasNeverOpenedShutsDown) {
  server_.Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(AwaitIdle());
}

}  // namespace
}  // namespace tiffin
