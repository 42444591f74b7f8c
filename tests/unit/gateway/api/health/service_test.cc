#include "gateway/api/health/service.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::health {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using ::testing::ElementsAre;
using testing::FakeRpc;
using testing::FakeServing;
using testing::TestLoop;

class HealthServiceTest : public ::testing::Test {
 protected:
  HealthServiceTest() {
    serving_.AddApi("ocr", "read", {}, {});
    serving_.AddApi("graph_demo", "predict", {}, {});
  }
  FakeRpc& Start(const std::string& method, const std::string& name) {
    rpcs_.emplace_back(loop_, "/grpc.health.v1.Health/" + method);
    EXPECT_TRUE(service_.Start(rpcs_.back()));
    HealthCheckRequest request;
    request.set_service(name);
    rpcs_.back().Send(request);
    return rpcs_.back();
  }
  HealthCheckResponse::ServingStatus Check(const std::string& name) {
    FakeRpc& rpc = Start("Check", name);
    loop_.Run();
    return rpc.Reply<HealthCheckResponse>().status();
  }
  static std::vector<int> Statuses(const FakeRpc& rpc) {
    std::vector<int> result;
    for (const auto& response : rpc.Written<HealthCheckResponse>()) {
      result.push_back(response.status());
    }
    return result;
  }
  void SetDown(std::set<std::string, std::less<>> names) {
    serving_.down = std::move(names);
    serving_.ChangeReadiness();
    loop_.Run();
  }

  static constexpr int kServing = HealthCheckResponse::SERVING;
  static constexpr int kNotServing = HealthCheckResponse::NOT_SERVING;

  TestLoop loop_;
  FakeServing serving_;
  HealthService service_{serving_};
  std::deque<FakeRpc> rpcs_;
};

TEST_F(HealthServiceTest, CheckAnswersForEachServiceAndForAll) {
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("ocr"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("tiffin.services.graph_demo.GraphDemo"), HealthCheckResponse::SERVING);
  SetDown({"graph_demo"});
  EXPECT_EQ(Check(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("ocr"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("tiffin.services.graph_demo.GraphDemo"), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, CheckOfAnUnknownServiceIsNotFound) {
  FakeRpc& rpc = Start("Check", "graph.demo");
  loop_.Run();
  EXPECT_EQ(rpc.status->code(), absl::StatusCode::kNotFound);
}

TEST_F(HealthServiceTest, WatchSaysWhatIsAndWhatChanges) {
  FakeRpc& all = Start("Watch", "");
  FakeRpc& ocr = Start("Watch", "ocr");
  loop_.Run();
  SetDown({"graph_demo"});
  SetDown({"graph_demo"});
  SetDown({});
  EXPECT_THAT(Statuses(all), ElementsAre(kServing, kNotServing, kServing));
  EXPECT_THAT(Statuses(ocr), ElementsAre(kServing));
  EXPECT_FALSE(all.finished());
}

TEST_F(HealthServiceTest, WatchOfAnUnknownServiceStays) {
  FakeRpc& rpc = Start("Watch", "nobody");
  loop_.Run();
  SetDown({"ocr"});
  EXPECT_THAT(Statuses(rpc), ElementsAre(int{HealthCheckResponse::SERVICE_UNKNOWN}));
  EXPECT_FALSE(rpc.finished());
  EXPECT_EQ(service_.watchers(), 1U);
}

TEST_F(HealthServiceTest, ChangesDuringAWriteAreWrittenAfterIt) {
  FakeRpc& rpc = Start("Watch", "ocr");
  rpc.hold_writes = true;
  loop_.Run();
  SetDown({"ocr"});
  SetDown({});
  SetDown({"ocr"});
  EXPECT_THAT(Statuses(rpc), ElementsAre(kServing));
  rpc.ReleaseWrite();
  loop_.Run();
  EXPECT_THAT(Statuses(rpc), ElementsAre(kServing, kNotServing));
}

TEST_F(HealthServiceTest, WatchEndsWithItsClient) {
  FakeRpc& cancelled = Start("Watch", "ocr");
  FakeRpc& broken = Start("Watch", "ocr");
  loop_.Run();
  cancelled.Cancel();
  loop_.Run();
  EXPECT_EQ(cancelled.status->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(service_.watchers(), 1U);
  broken.BreakConnection();
  SetDown({"ocr"});
  EXPECT_TRUE(broken.finished());
  EXPECT_EQ(service_.watchers(), 0U);
  SetDown({});
}

TEST_F(HealthServiceTest, OtherMethodsAreLeftAlone) {
  FakeRpc rpc(loop_, "/grpc.health.v1.Health/List");
  EXPECT_FALSE(service_.Start(rpc));
}

}  // namespace
}  // namespace tiffin::gateway::health
