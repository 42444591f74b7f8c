#include "worker/runtime/session.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/session/frames.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.pb.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/session_fixture.h"

namespace tiffin::worker {
namespace {

using ::testing::HasSubstr;

TEST_P(SessionTest, SaysWhatItIsInTheFirstFrame) {
  RawGateway gateway(path_, 1, GetParam(), RawGateway::Begin::kSilent);
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
  attach.mutable_attach()->set_session(1);
  gateway.SendOnStream(attach);
  gateway.ConnectSocket();

  const v1::Frame frame = gateway.NextOnStream();

  ASSERT_TRUE(frame.has_hello());
  EXPECT_EQ(frame.hello().protocol_version(), session::kProtocolVersion);
  const auto description = WorkerDescriptionFromJson(frame.hello().description());
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_EQ(description->methods, BytesSignature());
}

// A call that ended the process before the gateway has the page would be nobody's.
TEST_P(SessionTest, SaysNothingBeforeItHasAnnouncedThePageOfExecutingCalls) {
  RawGateway gateway(path_, 1, GetParam(), RawGateway::Begin::kSilent);
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
  attach.mutable_attach()->set_session(1);
  gateway.SendOnStream(attach);
  v1::Frame refused = ExecuteInline(1, "x");
  refused.mutable_execute()->set_method("no_such_method");
  gateway.SendOnStream(refused);
  EXPECT_TRUE(gateway.NextOnStream().has_result());

  gateway.ConnectSocket();

  EXPECT_TRUE(gateway.NextOnStream().has_hello());
  EXPECT_EQ(gateway.NextAnnouncement().announcement.segment, session::kExecutingPage);
}

TEST_P(SessionTest, AnotherVersionOfTheProtocolIsRefused) {
  RawGateway gateway(path_, 1, GetParam(), RawGateway::Begin::kSilent);
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion + 1);
  gateway.SendOnStream(attach);

  const grpc::Status status = gateway.End();

  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("protocol"));
}

TEST_P(SessionTest, TheFirstFrameMustBeAttach) {
  RawGateway gateway(path_, 1, GetParam(), RawGateway::Begin::kSilent);
  gateway.SendOnStream(ExecuteInline(1, "x"));

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(backend_.executions().empty());
}

TEST_P(SessionTest, ASecondAttachEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
  gateway.SendOnStream(attach);

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_P(SessionTest, AMessageThatIsNoFramesEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.SendRaw("\xff\xff\xff\xff nonsense");

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(SessionTest, AMessageOnTheSocketThatIsNoFramesEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  gateway.SendOnSocket("\xff\xff\xff\xff nonsense");

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(SessionTest, AMessageOnTheSocketOfABadLengthEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  ASSERT_TRUE(gateway.socket().SendPiece(uint64_t{1} << 40, AsBytes("piece")).ok());

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(SessionTest, ACallOnTheOtherCarrierEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  v1::Frames frames;
  *frames.add_frames() = ExecuteInline(1, "x");
  if (GetParam() == Carrier::kExpress) {
    gateway.SendRaw(frames.SerializeAsString());
  } else {
    gateway.SendOnSocket(frames.SerializeAsString());
  }

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(backend_.executions().empty());
}

TEST_P(SessionTest, AGatewayThatDiesInTheMiddleOfAMessageHarmsNobody) {
  {
    RawGateway gateway(path_, 1, GetParam());
    gateway.ConnectSocket();
    if (GetParam() == Carrier::kExpress) {
      EXPECT_TRUE(gateway.socket().SendPiece(1000, AsBytes("the beginning")).ok());
    }
  }

  RawGateway next(path_, 2, GetParam());
  ExpectStillServing(next);
}

TEST_P(SessionTest, ResultsThatTheGatewayDoesNotReadWaitAndKeepTheirOrder) {
  constexpr uint64_t kCalls = 2000;
  RawGateway gateway(path_, 1, GetParam());
  for (uint64_t call = 1; call <= kCalls; ++call) {
    gateway.Send(ExecuteInline(call, std::string(300, 'r')));
    // All but the first few have results in the way of the next: the gateway reads none.
    ASSERT_TRUE(call % 100 != 0 || backend_.AwaitBegun(call));
  }

  for (uint64_t call = 1; call <= kCalls; ++call) {
    const v1::Result result = gateway.NextResult();
    ASSERT_EQ(result.call(), call);
    EXPECT_EQ(result.outputs(0).inline_bytes(), std::string(300, 'r'));
  }
}

TEST_P(SessionTest, FramesThatAreNotForWorkersEndTheSession) {
  v1::Frame hello;
  hello.mutable_hello();
  v1::Frame result;
  result.mutable_result();
  for (const v1::Frame& frame : {hello, result, v1::Frame()}) {
    RawGateway gateway(path_, 1, GetParam());
    gateway.Send(frame);

    EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_P(SessionTest, TheClientsEndEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.call().WritesDone();

  EXPECT_TRUE(gateway.End().ok());
}

TEST_P(SessionTest, MoreRowsThanTheMethodTakesAreRefused) {
  Signature limited = BytesSignature(/*batchable=*/true);
  limited.at("run").max_batch_size = 2;
  ControlledBackend backend(limited, Identity);
  const std::string path = folder_.path() + "/limited";
  InProcessWorker worker(path, backend);
  RawGateway gateway(path, 1, GetParam());
  gateway.ConnectSocket();
  const auto send = [&](uint64_t id, const std::string& rows) {
    v1::Frame frame = ExecuteInline(id, rows);
    frame.mutable_execute()->set_rows(static_cast<int64_t>(rows.size()));
    frame.mutable_execute()->mutable_inputs(0)->add_shape(1);
    gateway.Send(frame);
    return gateway.NextResult().code();
  };
  EXPECT_EQ(send(1, "ab"), 0U);
  EXPECT_EQ(send(2, "abc"), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
}

class InlineSessionTest : public SessionTest {
 protected:
  static constexpr uint64_t kLimit = 1 << 20;

  // Without shared memory; `gateway` is who it says it is.
  std::unique_ptr<RawGateway> AttachInline(uint64_t session, uint64_t gateway) {
    auto made = std::make_unique<RawGateway>(small_path_, session, Carrier::kStream,
                                             RawGateway::Begin::kSilent);
    v1::Frame attach;
    attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
    attach.mutable_attach()->set_session(session);
    attach.mutable_attach()->set_gateway(gateway);
    attach.mutable_attach()->set_inline_tensors(true);
    made->SendOnStream(attach);
    EXPECT_TRUE(made->NextOnStream().has_hello());
    return made;
  }

  // A call whose inputs, of so many bytes each, are on their way, and stay so. Its code if it is
  // refused.
  absl::StatusCode Promise(RawGateway& gateway, uint64_t call, std::vector<uint64_t> sizes) {
    v1::Frame frame = ExecuteFrame(call);
    if (sizes.size() == 2) frame.mutable_execute()->set_method("both");
    for (const uint64_t size : sizes) {
      v1::Tensor& input = *frame.mutable_execute()->add_inputs();
      input.set_dtype(kUint8);
      input.add_shape(static_cast<int64_t>(size));
      input.set_size(size);
      input.set_in_pieces(true);
    }
    gateway.Send(frame);
    const uint64_t behind = call + 1000;
    gateway.Send(ExecuteInline(behind, "x"));
    const v1::Result result = gateway.NextResult();
    if (result.call() == behind) return absl::StatusCode::kOk;
    EXPECT_EQ(gateway.NextResult().call(), behind);
    return static_cast<absl::StatusCode>(result.code());
  }

  // `run` takes one input, `both` two.
  static Signature TwoMethods() {
    Signature signature = BytesSignature();
    MethodSignature both = signature.at("run");
    both.inputs.push_back({"more", TensorType(DataType::kUint8, {-1})});
    signature.emplace("both", both);
    return signature;
  }

  const std::string small_path_ = folder_.path() + "/small";
  ControlledBackend both_{TwoMethods(), Identity};
  InProcessWorker small_{small_path_, both_, {}, kLimit};
};

TEST_F(InlineSessionTest, ALoneGatewayMayHaveAllThatInputsMayTake) {
  const auto one = AttachInline(1, 100);
  const auto other = AttachInline(2, 100);
  const auto idle = AttachInline(3, 200);
  EXPECT_EQ(Promise(*one, 1, {kLimit / 2}), absl::StatusCode::kOk);
  EXPECT_EQ(Promise(*other, 2, {kLimit / 2}), absl::StatusCode::kOk);
  EXPECT_EQ(Promise(*other, 3, {1024}), absl::StatusCode::kResourceExhausted);
}

TEST_F(InlineSessionTest, AGatewayLeavesOthersRoomForTheirInputs) {
  const auto greedy = AttachInline(1, 100);
  const auto modest = AttachInline(2, 200);
  EXPECT_EQ(Promise(*modest, 1, {1024}), absl::StatusCode::kOk);
  EXPECT_EQ(Promise(*greedy, 1, {kLimit / 4}), absl::StatusCode::kOk);
  EXPECT_EQ(Promise(*greedy, 2, {kLimit / 4 - 1024}), absl::StatusCode::kOk);
  EXPECT_EQ(Promise(*greedy, 3, {1024}), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Promise(*modest, 2, {kLimit / 4 - 1024}), absl::StatusCode::kOk);
}

TEST_F(InlineSessionTest, ACallsInputsHaveRoomTogetherOrNotAtAll) {
  const auto one = AttachInline(1, 100);
  const auto other = AttachInline(2, 200);
  EXPECT_EQ(Promise(*other, 1, {1024}), absl::StatusCode::kOk);
  EXPECT_EQ(Promise(*one, 1, {kLimit / 2, kLimit / 2}), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Promise(*one, 2, {kLimit / 2, kLimit / 2 - 1024}), absl::StatusCode::kOk);
}

TEST_F(InlineSessionTest, SizesThatNobodyHasAreRefused) {
  const auto one = AttachInline(1, 100);
  const uint64_t half = session::kMaxTensorBytes;
  EXPECT_EQ(Promise(*one, 1, {half, half}), absl::StatusCode::kResourceExhausted);
}

TEST_P(SessionTest, BadCallsAreAnsweredAndHarmNoOther) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  gateway.Announce(5, *segment_);
  struct Case {
    const char* what;
    v1::Frame frame;
    absl::StatusCode code;
  };
  v1::Frame unknown = ExecuteInline(1, "x");
  unknown.mutable_execute()->set_method("walk");
  v1::Frame no_rows = ExecuteInline(2, "x");
  no_rows.mutable_execute()->set_rows(0);
  v1::Frame rows = ExecuteInline(3, "x");
  rows.mutable_execute()->set_rows(2);
  v1::Frame surplus = ExecuteInline(4, "x");
  *surplus.mutable_execute()->add_inputs() = surplus.execute().inputs(0);
  v1::Frame dtype = ExecuteInline(6, "x");
  dtype.mutable_execute()->mutable_inputs(0)->set_dtype(static_cast<uint32_t>(DataType::kInt8));
  v1::Frame unknown_dtype = ExecuteInline(7, "x");
  unknown_dtype.mutable_execute()->mutable_inputs(0)->set_dtype(200);
  v1::Frame shape = ExecuteInline(8, "x");
  shape.mutable_execute()->mutable_inputs(0)->add_shape(1);
  v1::Frame size = ExecuteInline(9, "x");
  size.mutable_execute()->mutable_inputs(0)->set_inline_bytes("xy");
  v1::Frame wrong_size = ExecuteReference(13, 5, 0, 64);
  wrong_size.mutable_execute()->mutable_inputs(0)->set_size(128);
  const std::vector<Case> cases = {
      {"an unknown method", unknown, absl::StatusCode::kNotFound},
      {"no rows", no_rows, absl::StatusCode::kInvalidArgument},
      {"rows for a method of one row", rows, absl::StatusCode::kInvalidArgument},
      {"no inputs", ExecuteFrame(5), absl::StatusCode::kInvalidArgument},
      {"a surplus input", surplus, absl::StatusCode::kInvalidArgument},
      {"another type", dtype, absl::StatusCode::kInvalidArgument},
      {"a type that there isn't", unknown_dtype, absl::StatusCode::kInvalidArgument},
      {"another rank", shape, absl::StatusCode::kInvalidArgument},
      {"bytes that are not the shape's", size, absl::StatusCode::kInvalidArgument},
      {"an end beyond the segment", ExecuteReference(10, 5, kSegmentSize - 64, 65),
       absl::StatusCode::kInvalidArgument},
      {"an offset that overflows", ExecuteReference(11, 5, UINT64_MAX - 63, 64),
       absl::StatusCode::kInvalidArgument},
      {"an offset that is not aligned", ExecuteReference(12, 5, 1, 64),
       absl::StatusCode::kInvalidArgument},
      {"a size that is not the shape's", wrong_size, absl::StatusCode::kInvalidArgument},
  };
  for (const auto& [what, frame, code] : cases) {
    gateway.Send(frame);
    const v1::Result result = gateway.NextResult();
    EXPECT_EQ(result.call(), frame.execute().call()) << what;
    EXPECT_EQ(result.code(), static_cast<uint32_t>(code)) << what << ": " << result.message();
    EXPECT_EQ(result.outputs_size(), 0) << what;
  }
  EXPECT_TRUE(backend_.executions().empty());
  ExpectStillServing(gateway);
}

TEST_P(SessionTest, ACallIdInUseEndsTheSession) {
  backend_.Behave(IdentityBehind(gate_));
  RawGateway gateway(path_, 1, GetParam());
  gateway.Send(ExecuteInline(1, "x"));
  gateway.Send(ExecuteInline(1, "y"));

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(SessionTest, ACallWithoutTimeLeftNeverExecutes) {
  RawGateway gateway(path_, 1, GetParam());
  v1::Frame frame = ExecuteInline(1, "x");
  frame.mutable_execute()->set_time_left_us(0);
  gateway.Send(frame);

  EXPECT_EQ(gateway.NextResult().code(),
            static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(backend_.executions().empty());
}

TEST_P(SessionTest, CancelEndsWhatWaitsAndIsSeenByWhatExecutes) {
  backend_.Behave([this](const Invocation& invocation, Outputs& outputs) {
    const absl::Status ran = IdentityBehind(gate_)(invocation, outputs);
    return invocation.abandoned() ? absl::CancelledError("stopped") : ran;
  });
  RawGateway gateway(path_, 1, GetParam());
  gateway.Send(ExecuteInline(1, "executes"));
  ASSERT_TRUE(backend_.AwaitBegun(1));
  gateway.Send(ExecuteInline(2, "waits"));
  gateway.Send(CancelFrame(1));
  gateway.Send(CancelFrame(2));
  gateway.Send(CancelFrame(99));  // Nobody's.

  const v1::Result cancelled = gateway.NextResult();
  EXPECT_EQ(cancelled.call(), 2U);
  EXPECT_EQ(cancelled.code(), static_cast<uint32_t>(absl::StatusCode::kCancelled));
  gate_->Open();
  const v1::Result executed = gateway.NextResult();
  EXPECT_EQ(executed.call(), 1U);
  EXPECT_EQ(executed.message(), "stopped");
  ExpectStillServing(gateway);
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_P(SessionTest, CallsOfASessionThatEndedNeverExecute) {
  backend_.Behave(IdentityBehind(gate_));
  RawGateway gateway(path_, 1, GetParam());
  gateway.Send(ExecuteInline(1, "executes"));
  ASSERT_TRUE(backend_.AwaitBegun(1));
  gateway.Send(ExecuteInline(2, "waits"));
  gateway.call().WritesDone();
  EXPECT_TRUE(gateway.End().ok());
  RawGateway next(path_, 2, GetParam());
  next.Send(ExecuteInline(1, "next"));

  gate_->Open();

  EXPECT_EQ(next.NextResult().code(), 0U);
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_P(SessionTest, BeatsWithoutBeingAsked) {
  RawGateway gateway(path_, 1, GetParam());

  const std::optional<std::string> message = gateway.call().Read();

  ASSERT_TRUE(message.has_value());
  v1::Frames frames;
  ASSERT_TRUE(frames.ParseFromString(*message));
  EXPECT_TRUE(frames.frames(0).has_state());
}

TEST_P(SessionTest, AnswersTheHealthProtocol) {
  const auto channel = TestChannel("unix:" + path_);
  const auto check = [&](const std::string& service) {
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    return CallUnary(channel, "/grpc.health.v1.Health/Check", request.SerializeAsString());
  };
  for (const char* service : {"", "liveness"}) {
    const UnaryReply reply = check(service);
    ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(response.ParseFromString(reply.text));
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
  EXPECT_EQ(check("other").status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(CallUnary(channel, "/grpc.health.v1.Health/Check", "\xff\xff").status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(CallUnary(channel, "/tiffin.worker.v1.Worker/Other", "").status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

INSTANTIATE_TEST_SUITE_P(Carriers, SessionTest, kCarriers, CarrierName);

}  // namespace
}  // namespace tiffin::worker
