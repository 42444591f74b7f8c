// What a session does with the segments of both sides.
#include <sys/mman.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/session_fixture.h"
#include "worker/runtime/session.h"

namespace tiffin::worker {
namespace {

class SessionSegmentsTest : public SessionTest {};

TEST_P(SessionSegmentsTest, ACallWaitsForASegmentOnItsWayAndDelaysNoOther) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  gateway.Send(ExecuteReference(1, 5, 64, 100));
  gateway.Send(ExecuteInline(2, "other"));
  EXPECT_EQ(gateway.NextResult().call(), 2U);

  gateway.Announce(5, *segment_);

  const v1::Result result = gateway.NextResult();
  EXPECT_EQ(result.call(), 1U);
  EXPECT_EQ(result.outputs(0).inline_bytes(), std::string(100, 'g'));
}

TEST_P(SessionSegmentsTest, ACallWhoseSegmentNeverComesEndsAtItsDeadline) {
  RawGateway gateway(path_, 1, GetParam());
  v1::Frame frame = ExecuteReference(1, 5, 0, 64);
  frame.mutable_execute()->set_time_left_us(1000);
  gateway.Send(frame);

  const v1::Result result = gateway.NextResult();

  EXPECT_EQ(result.call(), 1U);
  EXPECT_EQ(result.code(), static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
  ExpectStillServing(gateway);
}

TEST_P(SessionSegmentsTest, ACallThatWaitsForASegmentCanBeCancelled) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  gateway.Send(ExecuteReference(1, 5, 0, 64));
  gateway.Send(CancelFrame(1));
  EXPECT_EQ(gateway.NextResult().code(), static_cast<uint32_t>(absl::StatusCode::kCancelled));

  gateway.Announce(5, *segment_);

  ExpectStillServing(gateway);
  EXPECT_EQ(backend_.executions().size(), 1U) << "the cancelled call was executed";
}

TEST_P(SessionSegmentsTest, LargeOutputsAreAnnouncedAndNamed) {
  backend_.Behave([](const Invocation&, Outputs& outputs) {
    auto bytes = outputs.Allocate(0, DataType::kUint8, Shape{5000}, 5000);
    if (bytes.ok()) std::fill(bytes->begin(), bytes->end(), std::byte{'w'});
    return bytes.status();
  });
  RawGateway gateway(path_, 42, GetParam());
  gateway.ConnectSocket();
  gateway.Send(ExecuteInline(1, "x"));
  const v1::Result result = gateway.NextResult();
  ASSERT_EQ(result.outputs_size(), 1);

  gateway.NextAnnouncement();  // The page of executing calls.
  shm::DescriptorSocket::Received announced = gateway.NextAnnouncement();
  EXPECT_EQ(announced.announcement.session, 42U);
  EXPECT_EQ(announced.announcement.segment, result.outputs(0).segment());
  auto segment =
      shm::ForeignSegment::Receive(std::move(announced.descriptor), announced.announcement.size);
  ASSERT_TRUE(segment.ok()) << segment.status();
  const auto bytes = segment->Map();
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(AsStringView(bytes->subspan(result.outputs(0).offset(), 5000)), std::string(5000, 'w'));
}

TEST_P(SessionSegmentsTest, ThePageListsTheCallsThatExecute) {
  backend_.Behave(IdentityBehind(gate_));
  RawGateway gateway(path_, 42, GetParam());
  gateway.ConnectSocket();
  shm::DescriptorSocket::Received announced = gateway.NextAnnouncement();
  EXPECT_EQ(announced.announcement.session, 42U);
  EXPECT_EQ(announced.announcement.segment, session::kExecutingPage);
  auto segment =
      shm::ForeignSegment::Receive(std::move(announced.descriptor), announced.announcement.size);
  ASSERT_TRUE(segment.ok()) << segment.status();
  const auto page = session::ExecutingPageView::Create(segment->Map().value());
  ASSERT_TRUE(page.ok()) << page.status();

  gateway.Send(ExecuteInline(1, "executes"));
  ASSERT_TRUE(backend_.AwaitBegun(1));
  gateway.Send(ExecuteInline(2, "waits"));

  EXPECT_TRUE(page->Lists({.session = 42, .call = 1}));
  EXPECT_FALSE(page->Lists({.session = 42, .call = 2}));
  gate_->Open();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(gateway.NextResult().code(), 0U);
  EXPECT_FALSE(page->Lists({.session = 42, .call = 1}));
}

TEST_P(SessionSegmentsTest, ASecondSocketEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  gateway.Announce(5, *segment_);
  gateway.Send(ExecuteReference(1, 5, 0, 64));
  EXPECT_EQ(gateway.NextResult().code(), 0U);  // By now the worker has the first one.

  auto second = shm::DescriptorSocket::Connect(path_ + ".fd");
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE(second->Send({.session = 1}, std::nullopt).ok());

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_P(SessionSegmentsTest, ASegmentThatIsGoneIsNotFoundAnyMore) {
  RawGateway gateway(path_, 1, GetParam());
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

TEST_P(SessionSegmentsTest, ASegmentThatIsNotSealedEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  const UniqueFd unsealed(memfd_create("test", MFD_CLOEXEC));
  ASSERT_TRUE(gateway.socket().Send({.session = 1, .segment = 5, .size = 64}, unsealed.get()).ok());

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_P(SessionSegmentsTest, ASegmentOfAnotherSessionEndsTheSession) {
  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  ASSERT_TRUE(gateway.socket()
                  .Send({.session = 2, .segment = 5, .size = kSegmentSize}, segment_->fd())
                  .ok());

  EXPECT_EQ(gateway.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(SessionSegmentsTest, SessionsDoNotShareSegmentsOrCalls) {
  RawGateway first(path_, 1, GetParam());
  first.ConnectSocket();
  first.Announce(5, *segment_);
  first.Send(ExecuteReference(1, 5, 0, 64));
  EXPECT_EQ(first.NextResult().code(), 0U);
  RawGateway second(path_, 2, GetParam());
  second.ConnectSocket();

  v1::Frame frame = ExecuteReference(1, 5, 0, 64);
  frame.mutable_execute()->set_time_left_us(1000);
  second.Send(frame);

  EXPECT_EQ(second.NextResult().code(), static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
  ExpectStillServing(first);
  ExpectStillServing(second);
}

TEST_P(SessionSegmentsTest, StrayDescriptorSocketsHarmNobody) {
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

  RawGateway gateway(path_, 1, GetParam());
  gateway.ConnectSocket();
  gateway.Announce(5, *segment_);
  gateway.Send(ExecuteReference(1, 5, 0, 64));

  EXPECT_EQ(gateway.NextResult().code(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Carriers, SessionSegmentsTest, kCarriers, CarrierName);

}  // namespace
}  // namespace tiffin::worker
