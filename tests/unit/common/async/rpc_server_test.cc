#include "common/async/rpc_server.h"

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/rpc_server_fixture.h"

namespace tiffin {
namespace {

using ::testing::HasSubstr;

TEST_F(RpcServerTest, AnswersAUnaryCall) {
  std::string method;
  std::optional<std::string> tag;
  std::optional<std::string> missing;
  const auto channel = ServeAll([&](Rpc& rpc) {
    method = rpc.method();
    if (const auto value = rpc.metadata("x-tag")) tag = *value;
    if (const auto value = rpc.metadata("x-other")) missing = *value;
    rpc.AddTrailingMetadata("x-back", "trailing");
    EchoOne(rpc);
  });

  BlockingCall::Options options;
  options.metadata = {{"x-tag", "value"}};
  BlockingCall call(channel, "/test.Service/Method", options);
  EXPECT_TRUE(call.Write("hello"));
  EXPECT_TRUE(call.WritesDone());
  EXPECT_EQ(call.Read(), "hello");
  const grpc::Status status = call.Finish();

  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(call.Trailing("x-back"), "trailing");
  EXPECT_EQ(method, "/test.Service/Method");
  EXPECT_EQ(tag, "value");
  EXPECT_EQ(missing, std::nullopt);
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(RpcServerTest, GivesAnErrorWithItsCodeMessageAndMetadata) {
  const auto channel = ServeAll([](Rpc& rpc) {
    rpc.AddTrailingMetadata("x-back", "also with an error");
    rpc.Finish(absl::FailedPreconditionError("not like this"), std::nullopt);
  });

  BlockingCall call(channel, "/test.Service/Method");
  const grpc::Status status = call.Finish();

  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "not like this");
  EXPECT_EQ(call.Trailing("x-back"), "also with an error");
}

TEST_F(RpcServerTest, MethodsThatNoServiceTakesAreUnimplemented) {
  const auto channel = Serve([](Rpc& rpc) {
    if (rpc.method() != "/test.Service/Known") return false;
    EchoOne(rpc);
    return true;
  });

  const UnaryReply reply = CallUnary(channel, "/test.Service/Unknown", "x");

  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(reply.status.error_message(), HasSubstr("/test.Service/Unknown"));
  EXPECT_TRUE(CallUnary(channel, "/test.Service/Known", "x").status.ok());
}

TEST_F(RpcServerTest, OffersAnRpcToTheServicesInTurn) {
  std::vector<int> asked;
  TestService first([&](Rpc&) {
    asked.push_back(1);
    return false;
  });
  TestService second([&](Rpc& rpc) {
    asked.push_back(2);
    EchoOne(rpc);
    return true;
  });
  TestService third([&](Rpc&) {
    asked.push_back(3);
    return false;
  });
  const std::string address = "unix:" + folder_.path() + "/s";
  ASSERT_TRUE(loop_.Do([&] {
    return server_.Open(address, loop_.loop(), {&first, &second, &third}).ok();
  }));

  EXPECT_TRUE(CallUnary(TestChannel(address), "/a.B/C", "x").status.ok());

  EXPECT_THAT(asked, ::testing::ElementsAre(1, 2));
}

TEST_F(RpcServerTest, StreamsBothWaysAtTheSameTime) {
  const auto channel = ServeAll(EchoAll);

  BlockingCall call(channel, "/test.Service/Echo");
  for (const char* text : {"one", "", "three"}) {
    ASSERT_TRUE(call.Write(text));
    EXPECT_EQ(call.Read(), text);
  }
  EXPECT_TRUE(call.WritesDone());
  EXPECT_EQ(call.Read(), std::nullopt);

  EXPECT_TRUE(call.Finish().ok());
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(RpcServerTest, StreamsToTheClientThenFinishes) {
  std::function<void(Rpc&, int)> count = [&](Rpc& rpc, int left) {
    if (left == 0) {
      rpc.Finish(absl::OkStatus(), ToBuffer("last"));
      return;
    }
    rpc.Write(ToBuffer(std::to_string(left)),
              [&count, &rpc, left](bool /*ok*/) { count(rpc, left - 1); });
  };
  const auto channel = ServeAll([&](Rpc& rpc) { count(rpc, 3); });

  BlockingCall call(channel, "/test.Service/Count");

  for (const char* text : {"3", "2", "1", "last"}) EXPECT_EQ(call.Read(), text);
  EXPECT_EQ(call.Read(), std::nullopt);
  EXPECT_TRUE(call.Finish().ok());
}

TEST_F(RpcServerTest, CarriesMessagesBeyondGrpcsOwnLimit) {
  const auto channel = ServeAll(EchoOne);
  const std::string large(std::size_t{9} << 20, 'x');

  const UnaryReply reply = CallUnary(channel, "/test.Service/Echo", large);

  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.text, large);
}

TEST_F(RpcServerTest, FinishWaitsForAWriteUnderWay) {
  bool write_told = false;
  const auto channel = ServeAll([&](Rpc& rpc) {
    rpc.Write(ToBuffer("written"), [&](bool /*ok*/) { write_told = true; });
    rpc.Finish(absl::OkStatus(), ToBuffer("finished"));
  });

  BlockingCall call(channel, "/test.Service/Method");

  EXPECT_EQ(call.Read(), "written");
  EXPECT_EQ(call.Read(), "finished");
  EXPECT_TRUE(call.Finish().ok());
  ASSERT_TRUE(AwaitIdle());
  EXPECT_FALSE(write_told) << "a callback after Finish";
}

TEST_F(RpcServerTest, FinishWithAnErrorDropsThePendingRead) {
  bool read_told = false;
  const auto channel = ServeAll([&](Rpc& rpc) {
    rpc.Read([&](std::optional<grpc::ByteBuffer> /*message*/) { read_told = true; });
    rpc.Finish(absl::AbortedError("no"), std::nullopt);
  });

  BlockingCall call(channel, "/test.Service/Method");

  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::ABORTED);
  ASSERT_TRUE(AwaitIdle());
  EXPECT_FALSE(read_told);
}

TEST_F(RpcServerTest, AnotherThreadMayWrite) {
  std::thread writer;
  const auto channel = ServeAll([&](Rpc& rpc) {
    writer = std::thread([&rpc] {
      rpc.Write(ToBuffer("from another thread"), [&rpc](bool ok) {
        rpc.Finish(ok ? absl::OkStatus() : absl::InternalError("write failed"), std::nullopt);
      });
    });
  });

  BlockingCall call(channel, "/test.Service/Method");
  EXPECT_EQ(call.Read(), "from another thread");
  EXPECT_TRUE(call.Finish().ok());

  writer.join();
}

TEST_F(RpcServerTest, TellsOnceThatTheClientCancelled) {
  int told = 0;
  absl::Notification started;
  const auto channel = ServeAll([&](Rpc& rpc) {
    rpc.OnCancelled([&told, &rpc] {
      ++told;
      rpc.Finish(absl::CancelledError("as you wish"), std::nullopt);
    });
    started.Notify();
  });
  BlockingCall call(channel, "/test.Service/Method");
  ASSERT_TRUE(started.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(loop_.Do([&] { return server_.active(); }), 1);

  call.Cancel();

  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(AwaitIdle());
  EXPECT_EQ(told, 1);
}

TEST_F(RpcServerTest, TellsOfACancellationThatCameBeforeTheCallback) {
  Rpc* rpc = nullptr;
  bool read_ended = false;
  const auto channel = ServeAll([&](Rpc& it) {
    rpc = &it;
    it.Read([&](std::optional<grpc::ByteBuffer> /*message*/) { read_ended = true; });
  });
  BlockingCall call(channel, "/test.Service/Method");
  ASSERT_TRUE(loop_.Await([&] { return rpc != nullptr; }));
  call.Cancel();
  ASSERT_TRUE(loop_.Await([&] { return read_ended; }));

  bool inside = true;
  bool told = false;
  loop_.Do([&] {
    rpc->OnCancelled([&] {
      EXPECT_FALSE(inside) << "called back from inside OnCancelled";
      told = true;
      rpc->Finish(absl::CancelledError(""), std::nullopt);
    });
    inside = false;
  });

  EXPECT_TRUE(loop_.Await([&] { return told; }));
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(RpcServerTest, DoesNotTellOfACancellationAfterFinish) {
  bool told = false;
  const auto channel = ServeAll([&](Rpc& rpc) {
    rpc.OnCancelled([&] { told = true; });
    EchoOne(rpc);
  });

  EXPECT_TRUE(CallUnary(channel, "/test.Service/Method", "x").status.ok());

  EXPECT_TRUE(AwaitIdle());
  EXPECT_FALSE(told);
}

TEST_F(RpcServerTest, AWriteToAClientThatIsGoneFails) {
  Rpc* rpc = nullptr;
  bool cancelled = false;
  const auto channel = ServeAll([&](Rpc& it) {
    it.OnCancelled([&] { cancelled = true; });
    rpc = &it;
  });
  {
    BlockingCall call(channel, "/test.Service/Method");
    ASSERT_TRUE(loop_.Await([&] { return rpc != nullptr; }));
  }  // Cancels.
  ASSERT_TRUE(loop_.Await([&] { return cancelled; }));

  std::optional<bool> written;
  loop_.Do([&] {
    rpc->Write(ToBuffer("too late"), [&](bool ok) {
      written = ok;
      rpc->Finish(absl::CancelledError(""), std::nullopt);
    });
  });

  EXPECT_TRUE(loop_.Await([&] { return written.has_value(); }));
  EXPECT_EQ(written, false);
  EXPECT_TRUE(AwaitIdle());
}

TEST_F(RpcServerTest, GivesTheClientsDeadlineByTheMonotonicClock) {
  absl::Duration left;
  const auto channel = ServeAll([&](Rpc& rpc) {
    left = rpc.deadline() - loop_.loop().now();
    rpc.Finish(absl::OkStatus(), std::nullopt);
  });

  BlockingCall::Options options;
  options.timeout = absl::Seconds(1000);
  BlockingCall with(channel, "/test.Service/Method", options);
  EXPECT_TRUE(with.Finish().ok());
  EXPECT_GT(left, absl::Seconds(900));
  EXPECT_LE(left, absl::Seconds(1100));  // gRPC rounds up what it sends.

  BlockingCall without(channel, "/test.Service/Method");
  EXPECT_TRUE(without.Finish().ok());
  EXPECT_EQ(left, absl::InfiniteDuration());
}

TEST_F(RpcServerTest, APassedDeadlineCountsAsCancelled) {
  bool told = false;
  const auto channel = ServeAll([&](Rpc& rpc) {
    rpc.OnCancelled([&told, &rpc] {
      told = true;
      rpc.Finish(absl::DeadlineExceededError("late"), std::nullopt);
    });
  });
  BlockingCall::Options options;
  options.timeout = absl::Milliseconds(200);

  BlockingCall call(channel, "/test.Service/Method", options);

  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(AwaitIdle());
  // A machine too busy to start the call in time never showed it to the service.
  EXPECT_TRUE(told || loop_.Do([&] { return server_.active(); }) == 0);
}

}  // namespace
}  // namespace tiffin
