// Methods that the server knows by name beforehand: one message in, one out.
#include "common/async/unary_call.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/rpc_server_fixture.h"

namespace tiffin {
namespace {

constexpr const char* kMethod = "/test.Service/Unary";

class UnaryCallTest : public RpcServerTest {
 protected:
  std::shared_ptr<grpc::Channel> ServeUnary(std::function<void(Rpc&)> start) {
    unary_methods_ = {kMethod, "/test.Service/Other"};
    return ServeAll(std::move(start));
  }
};

TEST_F(UnaryCallTest, GivesTheMessageOnceAndAnswers) {
  std::string method;
  std::optional<std::string> tag;
  std::optional<grpc::ByteBuffer> second = grpc::ByteBuffer();
  bool inside = false;
  const auto channel = ServeUnary([&](Rpc& rpc) {
    method = rpc.method();
    if (const auto value = rpc.metadata("x-tag")) tag = *value;
    rpc.AddTrailingMetadata("x-back", "trailing");
    inside = true;
    rpc.Read([&](std::optional<grpc::ByteBuffer> message) {
      EXPECT_FALSE(inside) << "called back from inside Read";
      rpc.Read([&, message = std::move(message)](std::optional<grpc::ByteBuffer> more) mutable {
        second = std::move(more);
        rpc.Finish(absl::OkStatus(), std::move(message));
      });
    });
    inside = false;
  });

  BlockingCall::Options options;
  options.metadata = {{"x-tag", "value"}};
  BlockingCall call(channel, kMethod, options);
  EXPECT_TRUE(call.Write("hello"));
  EXPECT_TRUE(call.WritesDone());
  EXPECT_EQ(call.Read(), "hello");
  const grpc::Status status = call.Finish();

  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(call.Trailing("x-back"), "trailing");
  EXPECT_EQ(method, kMethod);
  EXPECT_EQ(tag, "value");
  EXPECT_EQ(second, std::nullopt);
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(UnaryCallTest, IsOfferedOnlyWithItsMessage) {
  std::vector<std::string> offered;
  const auto channel = ServeUnary([&](Rpc& rpc) {
    offered.emplace_back(rpc.method());
    EchoOne(rpc);
  });
  BlockingCall silent(channel, kMethod);

  EXPECT_EQ(CallUnary(channel, "/test.Service/Other", "x").text, "x");

  EXPECT_THAT(offered, ::testing::ElementsAre("/test.Service/Other"));
  EXPECT_TRUE(silent.Write("at last"));
  EXPECT_TRUE(silent.WritesDone());
  EXPECT_EQ(silent.Read(), "at last");
  EXPECT_TRUE(silent.Finish().ok());
}

TEST_F(UnaryCallTest, FinishWithAnErrorDropsThePendingRead) {
  bool read_told = false;
  const auto channel = ServeUnary([&](Rpc& rpc) {
    rpc.Read([&](std::optional<grpc::ByteBuffer> /*message*/) { read_told = true; });
    rpc.Finish(absl::AbortedError("no"), std::nullopt);
  });

  const UnaryReply reply = CallUnary(channel, kMethod, "x");

  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(reply.status.error_message(), "no");
  ASSERT_TRUE(AwaitIdle());
  EXPECT_FALSE(read_told);
}

TEST_F(UnaryCallTest, TellsOnceThatTheClientCancelled) {
  int told = 0;
  absl::Notification started;
  const auto channel = ServeUnary([&](Rpc& rpc) {
    rpc.OnCancelled([&told, &rpc] {
      ++told;
      rpc.Finish(absl::CancelledError("as you wish"), std::nullopt);
    });
    started.Notify();
  });
  BlockingCall call(channel, kMethod);
  EXPECT_TRUE(call.Write("x"));
  EXPECT_TRUE(call.WritesDone());
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));

  call.Cancel();

  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(AwaitIdle());
  EXPECT_EQ(told, 1);
}

TEST_F(UnaryCallTest, OtherMethodsAreStreamsStill) {
  const auto channel = ServeUnary(EchoAll);

  BlockingCall call(channel, "/test.Service/Stream");
  for (const char* text : {"one", "two"}) {
    ASSERT_TRUE(call.Write(text));
    EXPECT_EQ(call.Read(), text);
  }
  EXPECT_TRUE(call.WritesDone());
  EXPECT_TRUE(call.Finish().ok());
}

TEST_F(UnaryCallTest, TakesMoreCallsAtOnceThanItAskedForInAdvance) {
  constexpr size_t kCalls = 300;
  std::vector<Rpc*> held;
  const auto channel = ServeUnary([&](Rpc& rpc) { held.push_back(&rpc); });
  std::vector<std::unique_ptr<BlockingCall>> calls;
  for (size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<BlockingCall>(channel, kMethod));
    EXPECT_TRUE(calls.back()->Write("x"));
    EXPECT_TRUE(calls.back()->WritesDone());
  }
  ASSERT_TRUE(loop_.Await([&] { return held.size() == kCalls; }));

  loop_.Do([&] {
    for (Rpc* rpc : held) EchoOne(*rpc);
  });

  for (const auto& call : calls) {
    EXPECT_EQ(call->Read(), "x");
    EXPECT_TRUE(call->Finish().ok());
  }
  EXPECT_TRUE(AwaitIdle());
}

}  // namespace
}  // namespace tiffin
