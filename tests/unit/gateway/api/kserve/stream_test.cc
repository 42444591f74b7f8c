#include "gateway/api/kserve/stream.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/grpc_service.pb.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::kserve {
namespace {

using inference::ModelInferRequest;
using inference::ModelStreamInferResponse;
using testing::BytesValue;
using testing::FakeRpc;
using testing::FakeServing;
using testing::Framed;
using ::testing::HasSubstr;
using testing::ManualClock;
using testing::Spec;
using testing::TestLoop;

class InferStreamTest : public ::testing::Test {
 protected:
  InferStreamTest() {
    serving_.AddApi("demo", "echo", {Spec("x", "bytes")}, {Spec("y", "bytes")});
    models_.emplace(*ModelTable::Create(serving_.services(), serving_.runners()));
    calls_.emplace(serving_, clock_);
    streams_.emplace(serving_, *models_, nullptr, *calls_);
    streams_->Start(rpc_);
  }

  void Send(const std::string& id) {
    ModelInferRequest request;
    request.set_model_name("demo.echo");
    request.set_id(id);
    auto& input = *request.add_inputs();
    input.set_name("x");
    input.set_datatype("BYTES");
    input.add_shape(1);
    request.add_raw_input_contents(Framed({id}));
    rpc_.Send(request);
    loop_.Run();
  }
  void Answer(size_t index) {
    InferReply reply{.outputs = serving_.started[index].inputs, .steps = {}};
    serving_.started[index].done(std::move(reply));
    loop_.Run();
  }
  std::vector<ModelStreamInferResponse> Written() const {
    return rpc_.Written<ModelStreamInferResponse>();
  }

  ManualClock clock_;
  TestLoop loop_;
  FakeServing serving_;
  std::optional<ModelTable> models_;
  std::optional<InferCalls> calls_;
  FakeRpc rpc_{loop_, "/inference.GRPCInferenceService/ModelStreamInfer"};
  std::optional<InferStreams> streams_;
};

TEST_F(InferStreamTest, RequestsRunAtTheSameTimeAndAnswersKeepTheirOrder) {
  Send("a");
  Send("b");
  ASSERT_EQ(serving_.started.size(), 2U);
  Answer(1);
  EXPECT_TRUE(Written().empty()) << "b waits for a";
  Answer(0);
  ASSERT_EQ(Written().size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const ModelStreamInferResponse response = Written()[i];
    const std::string id = i == 0 ? "a" : "b";
    EXPECT_EQ(response.error_message(), "");
    EXPECT_EQ(response.infer_response().id(), id);
    EXPECT_EQ(response.infer_response().model_name(), "demo.echo");
    EXPECT_EQ(response.infer_response().raw_output_contents(0), Framed({id}));
  }
  EXPECT_FALSE(rpc_.finished());
}

TEST_F(InferStreamTest, EndsWhenTheClientHasEndedAndHasItsAnswers) {
  Send("a");
  rpc_.HalfClose();
  loop_.Run();
  EXPECT_FALSE(rpc_.finished());
  Answer(0);
  ASSERT_TRUE(rpc_.finished());
  EXPECT_TRUE(rpc_.status->ok());
  EXPECT_EQ(Written().size(), 1U);
  EXPECT_EQ(streams_->size(), 0U);
}

TEST_F(InferStreamTest, AnEmptyStreamEnds) {
  rpc_.HalfClose();
  loop_.Run();
  EXPECT_TRUE(rpc_.finished() && rpc_.status->ok());
}

TEST_F(InferStreamTest, AnErrorIsOfOneRequestAndTheStreamGoesOn) {
  ModelInferRequest unknown;
  unknown.set_model_name("nobody");
  unknown.set_id("u");
  rpc_.Send(unknown);
  Send("a");
  serving_.started[0].done(absl::UnavailableError("gone"));
  loop_.Run();
  Send("b");
  Answer(1);
  ASSERT_EQ(Written().size(), 3U);
  EXPECT_THAT(Written()[0].error_message(), HasSubstr("nobody"));
  EXPECT_EQ(Written()[0].infer_response().id(), "u");
  EXPECT_EQ(Written()[1].error_message(), "gone");
  EXPECT_EQ(Written()[1].infer_response().id(), "a");
  EXPECT_EQ(Written()[2].error_message(), "");
}

TEST_F(InferStreamTest, ACancelledStreamCancelsItsRequests) {
  Send("a");
  Send("b");
  rpc_.Cancel();
  loop_.Run();
  EXPECT_TRUE(serving_.started[0].cancelled);
  EXPECT_TRUE(serving_.started[1].cancelled);
  EXPECT_EQ(rpc_.status->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(streams_->size(), 0U);
}

TEST_F(InferStreamTest, ABrokenConnectionEndsTheStream) {
  Send("a");
  Send("b");
  rpc_.BreakConnection();
  Answer(0);
  EXPECT_TRUE(serving_.started[1].cancelled);
  EXPECT_TRUE(rpc_.finished());
}

TEST_F(InferStreamTest, AClientThatTakesNoAnswersIsNotReadFrom) {
  rpc_.hold_writes = true;
  for (size_t i = 0; i < kMaxStreamed + 10; ++i) Send(std::to_string(i));
  EXPECT_EQ(serving_.started.size(), kMaxStreamed);
  Answer(0);
  EXPECT_EQ(serving_.started.size(), kMaxStreamed);
  rpc_.ReleaseWrite();
  loop_.Run();
  EXPECT_EQ(serving_.started.size(), kMaxStreamed + 1);
  rpc_.Cancel();
  loop_.Run();
}

TEST_F(InferStreamTest, EachRequestHasItsOwnDeadline) {
  ModelInferRequest request;
  request.set_model_name("demo.echo");
  auto& input = *request.add_inputs();
  input.set_name("x");
  input.set_datatype("BYTES");
  input.add_shape(1);
  request.add_raw_input_contents(Framed({"a"}));
  (*request.mutable_parameters())["timeout"].set_int64_param(2500);
  rpc_.Send(request);
  Send("b");
  EXPECT_EQ(serving_.started[0].options.deadline, clock_.now + absl::Microseconds(2500));
  EXPECT_EQ(serving_.started[1].options.deadline, clock_.now + absl::Seconds(10));
  rpc_.Cancel();
  loop_.Run();
}

}  // namespace
}  // namespace tiffin::gateway::kserve
