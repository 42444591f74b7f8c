// Sessions as a gateway meets them, one that need not keep to the protocol.
#include "worker/runtime/session.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/session/frames.h"
#include "common/shm/descriptor_socket.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.pb.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/blocking_call.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/in_process_worker.h"

namespace tiffin::worker {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSegmentSize = 1 << 16;
constexpr uint32_t kUint8 = static_cast<uint32_t>(DataType::kUint8);

// The gateway's end of a session, by hand.
class RawGateway {
 public:
  enum class Begin { kAttach, kSilent };
  RawGateway(const std::string& path, uint64_t session, Begin begin = Begin::kAttach)
      : path_(path), session_(session), call_(TestChannel("unix:" + path), session::kAttachMethod) {
    if (begin == Begin::kSilent) return;
    v1::Frame attach;
    attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
    attach.mutable_attach()->set_session(session);
    Send(attach);
    EXPECT_TRUE(Next().has_hello());
  }

  void Send(const v1::Frame& frame) {
    v1::Frames frames;
    *frames.add_frames() = frame;
    SendRaw(frames.SerializeAsString());
  }
  void SendRaw(const std::string& bytes) { call_.Write(bytes); }

  // The next frame, waiting for it; heartbeats are skipped. None at the end of the stream.
  v1::Frame Next() {
    while (true) {
      while (frames_.empty()) {
        const std::optional<std::string> message = call_.Read();
        if (!message.has_value()) return {};
        v1::Frames frames;
        EXPECT_TRUE(frames.ParseFromString(*message));
        for (v1::Frame& frame : *frames.mutable_frames()) frames_.push_back(std::move(frame));
      }
      v1::Frame frame = std::move(frames_.front());
      frames_.pop_front();
      if (!frame.has_state()) return frame;
    }
  }
  v1::Result NextResult() { return Next().result(); }
  // The status that the worker ends the stream with.
  grpc::Status End() {
    while (Next().kind_case() != v1::Frame::KIND_NOT_SET) {
    }
    return call_.Finish();
  }
  BlockingCall& call() { return call_; }

  void ConnectSocket() {
    auto socket = shm::DescriptorSocket::Connect(path_ + ".fd");
    ASSERT_TRUE(socket.ok()) << socket.status();
    socket_.emplace(*std::move(socket));
    ASSERT_TRUE(socket_->Send({.session = session_}, std::nullopt).ok());
  }
  void Announce(uint64_t id, const shm::OwnedSegment& segment) {
    ASSERT_TRUE(
        socket_->Send({.session = session_, .segment = id, .size = segment.size()}, segment.fd())
            .ok());
  }
  shm::DescriptorSocket& socket() { return *socket_; }

 private:
  const std::string path_;
  const uint64_t session_;
  BlockingCall call_;
  std::deque<v1::Frame> frames_;
  std::optional<shm::DescriptorSocket> socket_;
};

v1::Frame ExecuteFrame(uint64_t call) {
  v1::Frame frame;
  v1::Execute& execute = *frame.mutable_execute();
  execute.set_call(call);
  execute.set_method("run");
  execute.set_rows(1);
  execute.set_time_left_us(60'000'000);
  return frame;
}

v1::Frame ExecuteInline(uint64_t call, const std::string& bytes) {
  v1::Frame frame = ExecuteFrame(call);
  v1::Tensor& input = *frame.mutable_execute()->add_inputs();
  input.set_dtype(kUint8);
  input.add_shape(static_cast<int64_t>(bytes.size()));
  input.set_inline_bytes(bytes);
  return frame;
}

v1::Frame ExecuteReference(uint64_t call, uint64_t segment, uint64_t offset, uint64_t size) {
  v1::Frame frame = ExecuteFrame(call);
  v1::Tensor& input = *frame.mutable_execute()->add_inputs();
  input.set_dtype(kUint8);
  input.add_shape(static_cast<int64_t>(size));
  input.set_segment(segment);
  input.set_offset(offset);
  input.set_size(size);
  return frame;
}

v1::Frame CancelFrame(uint64_t call) {
  v1::Frame frame;
  frame.mutable_cancel()->set_call(call);
  return frame;
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    auto segment = shm::OwnedSegment::Create(kSegmentSize);
    EXPECT_TRUE(segment.ok()) << segment.status();
    segment_.emplace(*std::move(segment));
    std::fill(segment_->bytes().begin(), segment_->bytes().end(), std::byte{'g'});
  }
  ~SessionTest() override { gate_->Open(); }

  void ExpectStillServing(RawGateway& gateway) {
    gateway.Send(ExecuteInline(77, "after"));
    const v1::Result result = gateway.NextResult();
    EXPECT_EQ(result.call(), 77U);
    EXPECT_EQ(result.code(), 0U) << result.message();
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/w";
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // Shared with the backend.
  ControlledBackend backend_{BytesSignature(), Identity};
  InProcessWorker worker_{path_, backend_};
  std::optional<shm::OwnedSegment> segment_;
};

TEST_F(SessionTest, SaysWhatItIsInTheFirstFrame) {
  RawGateway gateway(path_, 1, RawGateway::Begin::kSilent);
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
  attach.mutable_attach()->set_session(1);
  gateway.Send(attach);

  const v1::Frame frame = gateway.Next();

  ASSERT_TRUE(frame.has_hello());
  EXPECT_EQ(frame.hello().protocol_version(), session::kProtocolVersion);
  const auto description = WorkerDescriptionFromJson(frame.hello().description());
  ASSERT_TRUE(description.ok()) << description.status();
  EXPECT_EQ(description->methods, BytesSignature());
}

TEST_F(SessionTest, AnotherVersionOfTheProtocolIsRefused) {
  RawGateway gateway(path_, 1, RawGateway::Begin::kSilent);
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion + 1);
  gateway.Send(attach);

  const grpc::Status status = gateway.End();

  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("protocol"));
}

TEST_F(SessionTest, TheFirstFrameMustBeAttach) {
  RawGateway gateway(path_, 1, RawGateway::Begin::kSilent);
  gateway.Send(ExecuteInline(1, "x"));

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(backend_.executions().empty());
}

TEST_F(SessionTest, ASecondAttachEndsTheSession) {
  RawGateway gateway(path_, 1);
  v1::Frame attach;
  attach.mutable_attach()->set_protocol_version(session::kProtocolVersion);
  gateway.Send(attach);

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(SessionTest, AMessageThatIsNoFramesEndsTheSession) {
  RawGateway gateway(path_, 1);
  gateway.SendRaw("\xff\xff\xff\xff nonsense");

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionTest, FramesThatAreNotForWorkersEndTheSession) {
  v1::Frame hello;
  hello.mutable_hello();
  v1::Frame result;
  result.mutable_result();
  for (const v1::Frame& frame : {hello, result, v1::Frame()}) {
    RawGateway gateway(path_, 1);
    gateway.Send(frame);

    EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(SessionTest, TheClientsEndEndsTheSession) {
  RawGateway gateway(path_, 1);
  gateway.call().WritesDone();

  EXPECT_TRUE(gateway.End().ok());
}

TEST_F(SessionTest, BadCallsAreAnsweredAndHarmNoOther) {
  RawGateway gateway(path_, 1);
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

TEST_F(SessionTest, ACallIdInUseEndsTheSession) {
  backend_.Behave(IdentityBehind(gate_));
  RawGateway gateway(path_, 1);
  gateway.Send(ExecuteInline(1, "x"));
  gateway.Send(ExecuteInline(1, "y"));

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionTest, ACallWaitsForASegmentOnItsWayAndDelaysNoOther) {
  RawGateway gateway(path_, 1);
  gateway.ConnectSocket();
  gateway.Send(ExecuteReference(1, 5, 64, 100));
  gateway.Send(ExecuteInline(2, "other"));
  EXPECT_EQ(gateway.NextResult().call(), 2U);

  gateway.Announce(5, *segment_);

  const v1::Result result = gateway.NextResult();
  EXPECT_EQ(result.call(), 1U);
  EXPECT_EQ(result.outputs(0).inline_bytes(), std::string(100, 'g'));
}

TEST_F(SessionTest, ACallWhoseSegmentNeverComesEndsAtItsDeadline) {
  RawGateway gateway(path_, 1);
  v1::Frame frame = ExecuteReference(1, 5, 0, 64);
  frame.mutable_execute()->set_time_left_us(1000);
  gateway.Send(frame);

  const v1::Result result = gateway.NextResult();

  EXPECT_EQ(result.call(), 1U);
  EXPECT_EQ(result.code(), static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
  ExpectStillServing(gateway);
}

TEST_F(SessionTest, ACallThatWaitsForASegmentCanBeCancelled) {
  RawGateway gateway(path_, 1);
  gateway.ConnectSocket();
  gateway.Send(ExecuteReference(1, 5, 0, 64));
  gateway.Send(CancelFrame(1));
  EXPECT_EQ(gateway.NextResult().code(), static_cast<uint32_t>(absl::StatusCode::kCancelled));

  gateway.Announce(5, *segment_);

  ExpectStillServing(gateway);
  EXPECT_EQ(backend_.executions().size(), 1U) << "the cancelled call was executed";
}

TEST_F(SessionTest, ACallWithoutTimeLeftNeverExecutes) {
  RawGateway gateway(path_, 1);
  v1::Frame frame = ExecuteInline(1, "x");
  frame.mutable_execute()->set_time_left_us(0);
  gateway.Send(frame);

  EXPECT_EQ(gateway.NextResult().code(),
            static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(backend_.executions().empty());
}

TEST_F(SessionTest, CancelEndsWhatWaitsAndLeavesWhatExecutes) {
  backend_.Behave(IdentityBehind(gate_));
  RawGateway gateway(path_, 1);
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
  EXPECT_EQ(executed.code(), 0U);
  ExpectStillServing(gateway);
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_F(SessionTest, LargeOutputsAreAnnouncedAndNamed) {
  backend_.Behave([](const Invocation&, Outputs& outputs) {
    auto bytes = outputs.Allocate(0, DataType::kUint8, Shape{5000}, 5000);
    if (bytes.ok()) std::fill(bytes->begin(), bytes->end(), std::byte{'w'});
    return bytes.status();
  });
  RawGateway gateway(path_, 42);
  gateway.ConnectSocket();
  gateway.Send(ExecuteInline(1, "x"));
  const v1::Result result = gateway.NextResult();
  ASSERT_EQ(result.outputs_size(), 1);

  std::optional<shm::DescriptorSocket::Received> announced;
  const absl::Time give_up = absl::Now() + kPatience;
  while (!announced.has_value() && absl::Now() < give_up) {
    auto received = gateway.socket().Receive();
    ASSERT_TRUE(received.ok()) << received.status();
    if (received->has_value()) announced = **std::move(received);
  }
  ASSERT_TRUE(announced.has_value());
  EXPECT_EQ(announced->announcement.session, 42U);
  EXPECT_EQ(announced->announcement.segment, result.outputs(0).segment());
  auto segment =
      shm::ForeignSegment::Receive(std::move(announced->descriptor), announced->announcement.size);
  ASSERT_TRUE(segment.ok()) << segment.status();
  const auto bytes = segment->Map();
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(AsStringView(bytes->subspan(result.outputs(0).offset(), 5000)), std::string(5000, 'w'));
}

TEST_F(SessionTest, ASegmentThatIsGoneIsNotFoundAnyMore) {
  RawGateway gateway(path_, 1);
  gateway.ConnectSocket();
  gateway.Announce(5, *segment_);
  gateway.Send(ExecuteReference(1, 5, 0, 64));
  EXPECT_EQ(gateway.NextResult().code(), 0U);
  v1::Frame gone;
  gone.mutable_segment_gone()->set_segment(5);
  gateway.Send(gone);

  v1::Frame late = ExecuteReference(2, 5, 0, 64);
  late.mutable_execute()->set_time_left_us(1000);
  gateway.Send(late);

  EXPECT_EQ(gateway.NextResult().code(),
            static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(SessionTest, ASegmentThatIsNotSealedEndsTheSession) {
  RawGateway gateway(path_, 1);
  gateway.ConnectSocket();
  const shm::UniqueFd unsealed(memfd_create("test", MFD_CLOEXEC));
  ASSERT_TRUE(gateway.socket().Send({.session = 1, .segment = 5, .size = 64}, unsealed.get()).ok());

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(SessionTest, ASegmentOfAnotherSessionEndsTheSession) {
  RawGateway gateway(path_, 1);
  gateway.ConnectSocket();
  ASSERT_TRUE(gateway.socket()
                  .Send({.session = 2, .segment = 5, .size = kSegmentSize}, segment_->fd())
                  .ok());

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionTest, SessionsDoNotShareSegmentsOrCalls) {
  RawGateway first(path_, 1);
  first.ConnectSocket();
  first.Announce(5, *segment_);
  first.Send(ExecuteReference(1, 5, 0, 64));
  EXPECT_EQ(first.NextResult().code(), 0U);
  RawGateway second(path_, 2);
  second.ConnectSocket();

  v1::Frame frame = ExecuteReference(1, 5, 0, 64);
  frame.mutable_execute()->set_time_left_us(1000);
  second.Send(frame);

  EXPECT_EQ(second.NextResult().code(), static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
  ExpectStillServing(first);
  ExpectStillServing(second);
}

TEST_F(SessionTest, CallsOfASessionThatEndedNeverExecute) {
  backend_.Behave(IdentityBehind(gate_));
  RawGateway gateway(path_, 1);
  gateway.Send(ExecuteInline(1, "executes"));
  ASSERT_TRUE(backend_.AwaitBegun(1));
  gateway.Send(ExecuteInline(2, "waits"));
  gateway.call().WritesDone();
  EXPECT_TRUE(gateway.End().ok());
  RawGateway next(path_, 2);
  next.Send(ExecuteInline(1, "next"));

  gate_->Open();

  EXPECT_EQ(next.NextResult().code(), 0U);
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_F(SessionTest, StrayDescriptorSocketsHarmNobody) {
  std::vector<shm::DescriptorSocket> strays;
  for (int i = 0; i < 100; ++i) {
    auto stray = shm::DescriptorSocket::Connect(path_ + ".fd");
    ASSERT_TRUE(stray.ok()) << stray.status();
    if (i % 3 == 0) {
      EXPECT_TRUE(stray->Send({.session = 1000}, std::nullopt).ok());
    } else if (i % 3 == 1) {
      EXPECT_EQ(send(stray->fd(), "nonsense", 8, MSG_NOSIGNAL), 8);
    }
    strays.push_back(*std::move(stray));
  }

  RawGateway gateway(path_, 1);
  gateway.ConnectSocket();
  gateway.Announce(5, *segment_);
  gateway.Send(ExecuteReference(1, 5, 0, 64));

  EXPECT_EQ(gateway.NextResult().code(), 0U);
}

TEST_F(SessionTest, BeatsWithoutBeingAsked) {
  RawGateway gateway(path_, 1);

  const std::optional<std::string> message = gateway.call().Read();

  ASSERT_TRUE(message.has_value());
  v1::Frames frames;
  ASSERT_TRUE(frames.ParseFromString(*message));
  EXPECT_TRUE(frames.frames(0).has_state());
}

TEST_F(SessionTest, AnswersTheHealthProtocol) {
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

}  // namespace
}  // namespace tiffin::worker
