#include "gateway/api/infer_call.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway {
namespace {

using testing::FakeRpc;
using testing::FakeServing;
using testing::ManualClock;
using ::testing::MatchesRegex;
using testing::Spec;
using testing::TestLoop;

class InferCallTest : public ::testing::Test {
 protected:
  InferCallTest() { serving_.AddApi("demo", "echo", {}, {}); }

  InferRequest Request() {
    InferRequest request{
        .target = &serving_.services()[0].apis[0],
        .inputs = {},
        .request_id = "",
        .timeout = std::nullopt,
        .received = clock_.now,
        .encode = [](const std::vector<Value>&) -> absl::StatusOr<grpc::ByteBuffer> {
          return grpc::ByteBuffer();
        }};
    return request;
  }
  absl::Duration TimeLeft() { return serving_.started.back().options.deadline - clock_.now; }

  ManualClock clock_;
  TestLoop loop_;
  FakeServing serving_;
  InferCalls calls_{serving_, clock_};
  FakeRpc rpc_{loop_, "/x.Y/Z"};
};

TEST_F(InferCallTest, RequestIdOfTheMessageComesFirst) {
  rpc_.sent_metadata["x-request-id"] = "from-metadata";
  InferRequest request = Request();
  request.request_id = "from-message";
  calls_.Start(rpc_, std::move(request));
  EXPECT_EQ(serving_.started.back().options.request_id, "from-message");
  EXPECT_EQ(rpc_.trailing["x-request-id"], "from-message");
}

TEST_F(InferCallTest, RequestIdOfTheMetadataComesNext) {
  rpc_.sent_metadata["x-request-id"] = "from-metadata";
  calls_.Start(rpc_, Request());
  EXPECT_EQ(rpc_.trailing["x-request-id"], "from-metadata");
}

TEST_F(InferCallTest, RequestIdIsMadeWhereThereIsNone) {
  FakeRpc other(loop_, "/x.Y/Z");
  calls_.Start(rpc_, Request());
  calls_.Start(other, Request());
  EXPECT_THAT(rpc_.trailing["x-request-id"], MatchesRegex("[0-9a-f]{16}"));
  EXPECT_NE(rpc_.trailing["x-request-id"], other.trailing["x-request-id"]);
}

TEST_F(InferCallTest, RequestIdIsMadeFitForMetadata) {
  InferRequest request = Request();
  request.request_id = "\n" + std::string(100'000, 'x');
  calls_.Start(rpc_, std::move(request));
  EXPECT_EQ(rpc_.trailing["x-request-id"], "?" + std::string(127, 'x'));
}

TEST_F(InferCallTest, ATraceGoesOnInANewSpan) {
  const std::string trace(31, 'a');
  rpc_.sent_metadata["traceparent"] = "00-1" + trace + "-00000000000000ff-01";
  rpc_.sent_metadata["tracestate"] = "a=1";
  rpc_.more_metadata.emplace("tracestate", "b=2");
  calls_.Start(rpc_, Request());
  EXPECT_THAT(rpc_.trailing["traceparent"], MatchesRegex("00-1" + trace + "-[0-9a-f]{16}-01"));
  EXPECT_EQ(rpc_.trailing["tracestate"], "a=1,b=2");
  const TraceContext& ours = serving_.started.back().options.trace;
  EXPECT_EQ(ToTraceparent(ours), rpc_.trailing["traceparent"]);
  EXPECT_EQ(ours.parent, 0xffU);
  EXPECT_NE(ours.span, ours.parent);
}

TEST_F(InferCallTest, ATraceBeginsWhereNoGoodOneIsSent) {
  const std::string good = "00-" + std::string(32, 'a') + "-00000000000000ff-01";
  FakeRpc without(loop_, "/x.Y/Z");
  FakeRpc bad(loop_, "/x.Y/Z");
  bad.sent_metadata["traceparent"] = good + "-";
  FakeRpc twice(loop_, "/x.Y/Z");
  twice.sent_metadata["traceparent"] = good;
  twice.more_metadata.emplace("traceparent", good);
  std::string last;
  for (FakeRpc* rpc : {&without, &bad, &twice}) {
    rpc->sent_metadata["tracestate"] = "a=1";
    calls_.Start(*rpc, Request());
    const TraceContext& ours = serving_.started.back().options.trace;
    EXPECT_TRUE(ours.valid());
    EXPECT_EQ(ours.parent, 0U);
    EXPECT_EQ(ToTraceparent(ours), rpc->trailing["traceparent"]);
    EXPECT_NE(TraceIdText(ours), std::string(32, 'a'));
    EXPECT_NE(TraceIdText(ours), last);
    EXPECT_FALSE(rpc->trailing.contains("tracestate")) << "it belongs to a trace that is none";
    last = TraceIdText(ours);
  }
}

TEST_F(InferCallTest, RefusedRequestsGetTheirIdToo) {
  calls_.Refuse(rpc_, "mine", absl::InvalidArgumentError("no"), std::nullopt);
  EXPECT_EQ(rpc_.trailing["x-request-id"], "mine");
  EXPECT_TRUE(ParseTraceparent(rpc_.trailing["traceparent"]).has_value());
  EXPECT_EQ(*rpc_.status, absl::InvalidArgumentError("no"));
  EXPECT_THAT(serving_.refused,
              ::testing::ElementsAre(::testing::Pair("", absl::StatusCode::kInvalidArgument)));
}

TEST_F(InferCallTest, DeadlineIsTheSmallestOfThree) {
  calls_.Start(rpc_, Request());
  EXPECT_EQ(TimeLeft(), absl::Seconds(10));  // The API's.

  FakeRpc second(loop_, "/x.Y/Z");
  second.client_deadline = clock_.now + absl::Seconds(7);
  calls_.Start(second, Request());
  EXPECT_EQ(TimeLeft(), absl::Seconds(7));

  FakeRpc third(loop_, "/x.Y/Z");
  third.client_deadline = clock_.now + absl::Seconds(7);
  InferRequest request = Request();
  request.timeout = absl::Seconds(3);
  calls_.Start(third, std::move(request));
  EXPECT_EQ(TimeLeft(), absl::Seconds(3));
}

TEST_F(InferCallTest, ExpiredRequestNeverStarts) {
  InferRequest request = Request();
  request.timeout = absl::Milliseconds(5);
  clock_.now += absl::Milliseconds(5);
  calls_.Start(rpc_, std::move(request));
  EXPECT_EQ(rpc_.status->code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(serving_.started.empty());
  EXPECT_THAT(serving_.refused, ::testing::ElementsAre(::testing::Pair(
                                    ::testing::_, absl::StatusCode::kDeadlineExceeded)));
}

TEST_F(InferCallTest, CancelReachesServingAndEndsTheRpc) {
  calls_.Start(rpc_, Request());
  rpc_.Cancel();
  loop_.Run();
  EXPECT_TRUE(serving_.started.back().cancelled);
  EXPECT_EQ(rpc_.status->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(calls_.size(), 0U);
}

TEST_F(InferCallTest, ErrorsKeepTheirCodeAndAreBounded) {
  calls_.Start(rpc_, Request());
  serving_.started.back().done(absl::UnavailableError("\xFF" + std::string(5000, 'x')));
  EXPECT_EQ(rpc_.status->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(rpc_.status->message().size(), 1024U);
  EXPECT_EQ(rpc_.status->message()[0], '?');
  EXPECT_EQ(calls_.size(), 0U);
}

TEST_F(InferCallTest, EncodingErrorsEndTheRpc) {
  InferRequest request = Request();
  request.encode = [](const std::vector<Value>&) { return absl::InternalError("bad output"); };
  calls_.Start(rpc_, std::move(request));
  serving_.started.back().done(InferReply{});
  EXPECT_EQ(*rpc_.status, absl::InternalError("bad output"));
  EXPECT_EQ(serving_.started.back().encoded, absl::InternalError("bad output"));
}

TEST_F(InferCallTest, TimingComesOnlyWhenAskedFor) {
  calls_.Start(rpc_, Request());
  EXPECT_FALSE(serving_.started.back().options.want_timing);
  serving_.started.back().done(InferReply{});
  EXPECT_TRUE(rpc_.status->ok());
  EXPECT_EQ(serving_.started.back().encoded, absl::OkStatus());
  EXPECT_FALSE(rpc_.trailing.contains("tiffin-timing"));
}

TEST_F(InferCallTest, TimingCountsFromTheArrivalOfTheRequest) {
  rpc_.sent_metadata["tiffin-timing"] = "1";
  InferRequest request = Request();
  clock_.now += absl::Microseconds(100);  // Decoding.
  calls_.Start(rpc_, std::move(request));
  EXPECT_TRUE(serving_.started.back().options.want_timing);
  clock_.now += absl::Microseconds(400);
  serving_.started.back().done(InferReply{.outputs = {},
                                          .steps = {{.name = "a",
                                                     .runner = "model_a",
                                                     .start = absl::Microseconds(10),
                                                     .end = absl::Microseconds(90),
                                                     .spent = {.queue = absl::Microseconds(5),
                                                               .batch = absl::Microseconds(6),
                                                               .compute = absl::Microseconds(7)}}},
                                          .critical_path = {0}});
  EXPECT_EQ(nlohmann::json::parse(rpc_.trailing["tiffin-timing"]), nlohmann::json::parse(R"(
      {"total_us": 500, "parse_us": 100, "dispatch_us": 10, "gather_us": 310,
       "critical_path": ["a"],
       "steps": [{"name": "a", "runner": "model_a", "start_us": 110, "end_us": 190, "queue_us": 5,
                  "batch_us": 6, "compute_us": 7, "transport_us": 62}]})"));
}

}  // namespace
}  // namespace tiffin::gateway
