// A session's life as the gateway sees it: what it sends, keeps and gives back.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <iterator>
#include <optional>
#include <string>

#include "common/strings.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/dispatch/dispatch_fixture.h"
#include "tests/unit/gateway/dispatch/fake_worker.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using worker::BytesSignature;

const std::string kLarge(4096, 'L');

class WorkerSessionTest : public DispatchTest {
 protected:
  WorkerSessionTest() {
    BeginAnew(1, 100);
    auto segment = shm::OwnedSegment::Create(1 << 16);
    EXPECT_TRUE(segment.ok()) << segment.status();
    segment_.emplace(*std::move(segment));
    std::fill(segment_->bytes().begin(), segment_->bytes().end(), std::byte{'s'});
  }
  ~WorkerSessionTest() override { ClosePool(); }

  // With a new worker at a new path: the one before may not have seen yet that its session ended.
  void BeginAnew(int replicas, int queue_max) {
    MakePool(replicas, queue_max);
    const std::string path = Path(StrCat("w", ++workers_));
    worker_.emplace(path, BytesSignature());
    Connect(0, path);
    worker_->AwaitSocket();
  }
  // The worker's segment 1.
  void AnnounceSegment() { worker_->Announce(1, segment_->size(), segment_->fd()); }
  // A call whose result is a tensor in the worker's segment.
  Outcome& MakeTensor(uint64_t offset = 0, uint64_t size = 1000) {
    Outcome& made = Start("make");
    worker_->Send(ReferenceResult(worker_->NextExecute().call(), 1, offset, size));
    EXPECT_EQ(Await(made).value_or(""), std::string(size, 's'));
    return made;
  }
  // The calls of the next Release, waiting for it.
  std::vector<uint64_t> NextRelease() {
    worker::v1::Frame frame = worker_->Next();
    while (!frame.has_release() && frame.kind_case() != worker::v1::Frame::KIND_NOT_SET) {
      frame = worker_->Next();
    }
    return {frame.release().calls().begin(), frame.release().calls().end()};
  }

  int workers_ = 0;  // So many until now.
  std::optional<FakeWorker> worker_;
  std::optional<shm::OwnedSegment> segment_;
};

TEST_P(WorkerSessionTest, TheTimeLeftTravelsWithTheCall) {
  Start("x", {.timeout = absl::Milliseconds(1500)});

  const worker::v1::Execute execute = worker_->NextExecute();

  EXPECT_EQ(execute.time_left_us(), 1'500'000U);
  EXPECT_EQ(execute.method(), "run");
  EXPECT_EQ(execute.rows(), 1);
  EXPECT_THAT(execute.inputs(0).shape(), ElementsAre(1)) << "the row dimension is not sent";
}

TEST_P(WorkerSessionTest, TheGatewaysSegmentIsAnnouncedOnceBeforeItIsNamed) {
  Start(kLarge);
  Start(kLarge);

  const auto announced = worker_->NextAnnouncement();
  const worker::v1::Execute first = worker_->NextExecute();
  const worker::v1::Execute second = worker_->NextExecute();
  Start("marker");
  worker_->NextExecute();

  EXPECT_EQ(first.inputs(0).segment(), announced.announcement.segment);
  EXPECT_EQ(second.inputs(0).segment(), announced.announcement.segment);
  EXPECT_NE(first.inputs(0).offset(), second.inputs(0).offset());
  auto received = shm::ForeignSegment::Receive(
      UniqueFd(fcntl(announced.descriptor.get(), F_DUPFD_CLOEXEC, 0)), announced.announcement.size);
  ASSERT_TRUE(received.ok()) << received.status();
  const auto bytes = received->Map();
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(AsStringView(bytes->subspan(first.inputs(0).offset(), kLarge.size())), kLarge);
}

TEST_P(WorkerSessionTest, AResultWaitsForASegmentOnItsWayAndDelaysNoOther) {
  Outcome& waits = Start("waits");
  Outcome& other = Start("other");
  const uint64_t first = worker_->NextExecute().call();
  const uint64_t second = worker_->NextExecute().call();
  worker_->SendAll({ReferenceResult(first, 1, 64, 1000), InlineResult(second, "done")});
  EXPECT_EQ(Await(other).value_or(""), "done");
  EXPECT_FALSE(IsDone(waits));

  AnnounceSegment();

  EXPECT_EQ(Await(waits).value_or(""), std::string(1000, 's'));
}

TEST_P(WorkerSessionTest, ALeaseIsReleasedOnceWhenItsLastReaderIsGone) {
  AnnounceSegment();
  Outcome& made = MakeTensor();
  Outcome& reader = StartWith(made);
  const worker::v1::Execute read = worker_->NextExecute();
  Forget(made);
  Tick(absl::Milliseconds(50));
  Start("marker");
  EXPECT_TRUE(worker_->Next().has_execute()) << "released while a call reads it";

  worker_->Send(InlineResult(read.call(), "read"));
  EXPECT_EQ(Await(reader).value_or(""), "read");
  Tick(absl::Milliseconds(5));

  EXPECT_THAT(NextRelease(), ElementsAre(1));
  Tick(absl::Milliseconds(50));
  Start("marker");
  EXPECT_TRUE(worker_->Next().has_execute()) << "released twice";
}

TEST_P(WorkerSessionTest, ReleasesRideOnTheNextFrame) {
  AnnounceSegment();
  Outcome& first = MakeTensor();
  Outcome& second = MakeTensor(2048);
  Forget(first);
  Forget(second);

  Start("next");  // The clock stands still: no timer sent them.

  // First, so that the call may use the memory.
  EXPECT_THAT(NextRelease(), UnorderedElementsAre(1, 2));
  EXPECT_TRUE(worker_->Next().has_execute());
}

TEST_P(WorkerSessionTest, ReleasesOfManyBytesGoAtOnce) {
  auto large = shm::OwnedSegment::Create(2 << 20);
  ASSERT_TRUE(large.ok());
  worker_->Announce(2, large->size(), large->fd());
  Outcome& made = Start("make");
  worker_->Send(ReferenceResult(worker_->NextExecute().call(), 2, 0, 1 << 20));
  ASSERT_TRUE(AwaitStatus(made).ok());

  Forget(made);

  EXPECT_THAT(NextRelease(), ElementsAre(1));
}

TEST_P(WorkerSessionTest, AResultWithoutReferencesNeedsNoRelease) {
  Outcome& made = Start("x");
  worker_->Send(InlineResult(worker_->NextExecute().call(), "inline"));
  ASSERT_TRUE(AwaitStatus(made).ok());

  Forget(made);
  Tick(absl::Milliseconds(50));
  Start("marker");

  EXPECT_TRUE(worker_->Next().has_execute());
}

TEST_P(WorkerSessionTest, TheResultOfAnAbandonedCallIsReleased) {
  AnnounceSegment();
  Outcome& abandoned = Start("x");
  const uint64_t id = worker_->NextExecute().call();
  Abandon(abandoned);
  EXPECT_EQ(worker_->Next().cancel().call(), id);

  worker_->Send(ReferenceResult(id, 1, 0, 1000));
  ASSERT_TRUE(loop_.Await([&] { return shared_->load.at(0) == 0; }));
  Tick(absl::Milliseconds(5));

  EXPECT_THAT(NextRelease(), ElementsAre(id));
}

TEST_P(WorkerSessionTest, OtherWorkersAreToldThatASegmentIsGone) {
  BeginAnew(2, 100);
  FakeWorker reader(Path("reader"), BytesSignature());
  AnnounceSegment();
  Outcome& made = MakeTensor();
  Start("keeps replica 0 busy");
  Connect(1, Path("reader"));
  reader.AwaitSocket();
  Outcome& read = StartWith(made);
  const auto announced = reader.NextAnnouncement().announcement;
  const worker::v1::Execute execute = reader.NextExecute();
  EXPECT_EQ(execute.inputs(0).segment(), announced.segment);
  reader.Send(InlineResult(execute.call(), "read"));
  ASSERT_TRUE(AwaitStatus(read).ok());

  worker::v1::Frame gone;
  gone.mutable_segment_gone()->set_segment(1);
  worker_->Send(gone);
  Forget(made);

  EXPECT_EQ(reader.Next().segment_gone().segment(), announced.segment);
  ClosePool();
}

TEST_P(WorkerSessionTest, ALostSessionFailsItsCallsAndKeepsWhatTheProcessMayRead) {
  Outcome& reading = Start(kLarge);
  worker_->NextExecute();

  worker_->EndStream(absl::UnavailableError("broken"));
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(reading)));
  Forget(reading);
  Tick(absl::Milliseconds(100));  // A new session with the same process.
  ASSERT_TRUE(loop_.Await([&] { return pool_->ready(); }));
  EXPECT_EQ(worker_->sessions(), 2);
  EXPECT_GE(MemoryInUse(), kLarge.size()) << "let go while the process may read it";

  Exit(0, /*comes_back=*/true);
  EXPECT_EQ(MemoryInUse(), 0U) << "kept although the process is dead";
}

TEST_P(WorkerSessionTest, TheEndOfItsSocketLetsGoOfALostSession) {
  Outcome& reading = Start(kLarge);
  worker_->NextExecute();
  worker_->EndStream(absl::UnavailableError("broken"));
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(reading)));
  Forget(reading);

  worker_->CloseSockets();

  EXPECT_TRUE(AwaitMemoryInUse(0));
}

TEST_P(WorkerSessionTest, NothingStaysOfALostSessionOnceItsSocketHasEnded) {
  Outcome& reading = Start(kLarge);
  worker_->NextExecute();
  worker_->EndStream(absl::UnavailableError("broken"));
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(reading)));
  Forget(reading);
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_files();

  worker_->CloseSockets();

  // Its own end of the socket, and ours.
  EXPECT_TRUE(loop_.Await([&] { return open_files() <= before - 2; }));
}

TEST_P(WorkerSessionTest, TheEndOfTheSocketAloneEndsTheSession) {
  Outcome& reading = Start(kLarge);
  worker_->NextExecute();

  worker_->CloseSockets();

  if (GetParam() == WorkerTransport::kGrpc) {  // Its results might still come.
    ASSERT_TRUE(loop_.Await([&] { return !pool_->ready(); }));
    Tick(absl::Milliseconds(500));
  }
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(reading)));
  Forget(reading);
  EXPECT_TRUE(AwaitMemoryInUse(0));
}

TEST_P(WorkerSessionTest, ALostSessionsTensorsStayReadable) {
  AnnounceSegment();
  Outcome& made = MakeTensor();

  worker_->EndStream(absl::UnavailableError("broken"));
  ASSERT_TRUE(loop_.Await([&] { return !pool_->ready(); }));
  worker_->CloseSockets();
  Exit(0, /*comes_back=*/true);

  EXPECT_EQ(Await(made).value_or(""), std::string(1000, 's'));
  Forget(made);
}

TEST_P(WorkerSessionTest, AResultThatCameBeforeTheNewsOfADeathIsDelivered) {
  if (GetParam() != WorkerTransport::kExpress) return;  // Below.
  Outcome& answered = Start("answered");
  const uint64_t call = worker_->NextExecute().call();

  loop_.Do([&] {  // In one turn, so that nobody else reads the socket in between.
    worker_->Send(InlineResult(call, "done"));
    pool_->replica(0).OnExited(/*comes_back=*/true);
  });

  EXPECT_EQ(Await(answered).value_or(""), "done");
}

TEST_P(WorkerSessionTest, WhatIsStillOnTheStreamOfADeadWorkerIsDelivered) {
  if (GetParam() != WorkerTransport::kGrpc) return;
  Outcome& answered = Start("answered");
  Outcome& lost = Start("lost");
  const uint64_t call = worker_->NextExecute().call();
  worker_->NextExecute();

  worker_->CloseSockets();
  ASSERT_TRUE(loop_.Await([&] { return !pool_->ready(); }));
  Exit(0, /*comes_back=*/true);
  worker_->Send(InlineResult(call, "done"));  // As if gRPC had been late with it.
  worker_->EndStream(absl::UnavailableError("killed"));

  EXPECT_EQ(Await(answered).value_or(""), "done");
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
}

TEST_P(WorkerSessionTest, AResultThatCameBeforeTheLossIsDelivered) {
  Outcome& answered = Start("answered");
  Outcome& lost = Start("lost");
  const uint64_t id = worker_->NextExecute().call();
  worker_->NextExecute();

  worker_->Send(InlineResult(id, "in time"));
  worker_->EndStream(absl::UnavailableError("broken"));

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  EXPECT_EQ(Await(answered).value_or(""), "in time");
}

TEST_P(WorkerSessionTest, TwoSecondsOfSilenceLoseTheSession) {
  Outcome& call = Start("x", {.retries = 0});
  Tick(absl::Milliseconds(1900));
  EXPECT_FALSE(IsDone(call));

  Tick(absl::Milliseconds(700));

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(call)));
  const auto hung = loop_.Do([&] { return hung_; });
  ASSERT_EQ(hung.size(), 1U);
  EXPECT_TRUE(absl::IsDeadlineExceeded(hung.front().second)) << hung.front().second;
}

TEST_P(WorkerSessionTest, AnyFrameIsASignOfLife) {
  Outcome& call = Start("x");
  for (int i = 0; i < 10; ++i) {
    Tick(absl::Milliseconds(900));
    worker::v1::Frame state;
    state.mutable_state();
    worker_->Send(state);
    // It has come when a result that was sent after it has.
    Outcome& marker = Start("marker");
    worker::v1::Execute execute = worker_->NextExecute();
    while (execute.inputs(0).inline_bytes() != "marker") execute = worker_->NextExecute();
    worker_->Send(InlineResult(execute.call(), "seen"));
    ASSERT_TRUE(AwaitStatus(marker).ok());
  }

  EXPECT_FALSE(IsDone(call));
}

TEST_P(WorkerSessionTest, AGatewayThatSleptJudgesNobody) {
  Outcome& call = Start("x");

  clock_.Advance(absl::Seconds(60));
  Tick(absl::Milliseconds(500));

  EXPECT_FALSE(IsDone(call));
  EXPECT_TRUE(loop_.Do([&] { return pool_->ready(); }));
}

TEST_P(WorkerSessionTest, AWorkerWithoutTheExpressLaneIsServedOnTheStream) {
  MakePool(1, 100);
  FakeWorker plain(Path("plain"), BytesSignature(), FakeWorker::Express::kNever);
  Connect(0, Path("plain"));
  Outcome& call = Start(kLarge);

  plain.Send(InlineResult(plain.NextExecute().call(), "answered"));

  EXPECT_EQ(Await(call).value_or(""), "answered");
  ClosePool();
}

TEST_P(WorkerSessionTest, TheExpressLaneIsNotTheWorkersChoice) {
  MakePool(1, 100);
  FakeWorker pushy(Path("pushy"), BytesSignature(), FakeWorker::Express::kAlways);
  Listen(0, Path("pushy"));

  if (GetParam() == WorkerTransport::kExpress) {
    EXPECT_TRUE(loop_.Await([&] { return pool_->ready(); }));
  } else {
    EXPECT_TRUE(loop_.Await([&] { return !hung_.empty(); }));
    EXPECT_FALSE(loop_.Do([&] { return pool_->ready(); }));
  }
  ClosePool();
}

TEST_P(WorkerSessionTest, MoreThanASocketHoldsIsSentInOrderAsThereIsRoom) {
  constexpr int kCalls = 3000;
  BeginAnew(1, kCalls);
  std::vector<Outcome*> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(&Start(std::string(400, static_cast<char>(i % 100))));
  }

  for (int i = 0; i < kCalls; ++i) {
    const worker::v1::Execute execute = worker_->NextExecute();
    ASSERT_EQ(execute.call(), static_cast<uint64_t>(i + 1));
    worker_->Send(InlineResult(execute.call(), execute.inputs(0).inline_bytes()));
  }

  for (int i = 0; i < kCalls; ++i) {
    EXPECT_EQ(Await(*calls[static_cast<size_t>(i)]).value_or(""),
              std::string(400, static_cast<char>(i % 100)));
  }
}

INSTANTIATE_TEST_SUITE_P(Carriers, WorkerSessionTest, kTransports, TransportName);

}  // namespace
}  // namespace tiffin::gateway
