#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/async/rpc_server.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/blocking_call.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin {

// A protocol that the test writes.
class TestService : public RpcService {
 public:
  explicit TestService(std::function<bool(Rpc&)> start, std::vector<std::string> unary_methods = {})
      : unary_methods_(std::move(unary_methods)), start_(std::move(start)) {}
  std::vector<std::string> UnaryMethods() const override { return unary_methods_; }
  bool Start(Rpc& rpc) override { return start_(rpc); }

 private:
  const std::vector<std::string> unary_methods_;
  std::function<bool(Rpc&)> start_;
};

// Sends each message back, then finishes.
inline void EchoAll(Rpc& rpc) {
  rpc.Read([&rpc](std::optional<grpc::ByteBuffer> message) {
    if (!message.has_value()) {
      rpc.Finish(absl::OkStatus(), std::nullopt);
      return;
    }
    rpc.Write(*std::move(message), [&rpc](bool ok) {
      if (ok) {
        EchoAll(rpc);
      } else {
        rpc.Finish(absl::CancelledError("gone"), std::nullopt);
      }
    });
  });
}

inline void EchoOne(Rpc& rpc) {
  rpc.Read([&rpc](std::optional<grpc::ByteBuffer> message) {
    rpc.Finish(absl::OkStatus(), std::move(message));
  });
}

class RpcServerTest : public ::testing::Test {
 protected:
  ~RpcServerTest() override {
    server_.Shutdown(absl::ZeroDuration());
    loop_.Stop();
  }

  // Serves at a Unix socket; each RPC goes to `start`.
  std::shared_ptr<grpc::Channel> Serve(std::function<bool(Rpc&)> start) {
    services_.push_back(std::make_unique<TestService>(std::move(start), unary_methods_));
    const std::string address = "unix:" + folder_.path() + "/s";
    const auto opened =
        loop_.Do([&] { return server_.Open(address, loop_.loop(), {services_.front().get()}); });
    EXPECT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened.ok() ? *opened : "", address);
    return TestChannel(address);
  }
  std::shared_ptr<grpc::Channel> ServeAll(std::function<void(Rpc&)> start) {
    return Serve([start = std::move(start)](Rpc& rpc) {
      start(rpc);
      return true;
    });
  }
  [[nodiscard]] bool AwaitIdle() {
    return loop_.Await([&] { return server_.active() == 0; });
  }

  TemporaryFolder folder_;
  std::vector<std::string> unary_methods_;  // Of the service that Serve makes.
  std::vector<std::unique_ptr<RpcService>> services_;
  RpcServer server_;
  LoopThread loop_{server_.queue()};
};

}  // namespace tiffin
