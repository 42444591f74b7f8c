// Workers that do not keep to the protocol harm their own calls, or their own session.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>

#include "common/session/frames.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/dispatch/dispatch_fixture.h"
#include "tests/unit/gateway/dispatch/fake_worker.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using worker::BytesSignature;
using worker::v1::Frame;
using worker::v1::Tensor;

constexpr uint64_t kSegment = 1 << 16;

class LyingWorkerTest : public DispatchTest {
 protected:
  LyingWorkerTest() {
    MakePool(2, 100);
    honest_.emplace(Path("honest"), BytesSignature());
    worker_.emplace(Path("lying"), BytesSignature());
    Connect(0, Path("lying"));
    worker_->AwaitSocket();
    auto segment = shm::OwnedSegment::Create(kSegment);
    EXPECT_TRUE(segment.ok()) << segment.status();
    segment_.emplace(*std::move(segment));
    worker_->Announce(1, kSegment, segment_->fd());
  }
  ~LyingWorkerTest() override { ClosePool(); }

  // What a call ends with when the worker's answer is what `change` makes of a good one.
  absl::Status StatusOfAnswer(const std::function<void(worker::v1::Result&)>& change) {
    Outcome& call = Start("x", {.retries = 1});
    last_call_ = worker_->NextExecute().call();
    Frame frame = ReferenceResult(last_call_, 1, 64, 128);
    change(*frame.mutable_result());
    worker_->Send(frame);
    const absl::Status status = AwaitStatus(call);
    Forget(call);
    return status;
  }
  absl::Status StatusOfTensor(const std::function<void(Tensor&)>& change) {
    return StatusOfAnswer([&](worker::v1::Result& it) { change(*it.mutable_outputs(0)); });
  }
  // The session still serves.
  void ExpectStillServing() {
    Outcome& call = Start("after");
    worker_->Send(InlineResult(worker_->NextExecute().call(), "fine"));
    EXPECT_EQ(Await(call).value_or(""), "fine");
    EXPECT_TRUE(loop_.Do([&] { return hung_.empty(); }));
    EXPECT_EQ(worker_->sessions(), 1);
  }
  // The session is over, its process is to be replaced, and another replica has the work.
  void ExpectReplaced(Outcome& lost) {
    ASSERT_TRUE(loop_.Await([&] { return hung_.size() == 1; }));
    EXPECT_EQ(loop_.Do([&] { return hung_.front().first; }), 0);
    Connect(1, Path("honest"));
    Outcome& call = Start("elsewhere");
    worker::v1::Execute execute = honest_->NextExecute();
    while (execute.inputs(0).inline_bytes() != "elsewhere") {
      honest_->Send(InlineResult(execute.call(), "again"));
      execute = honest_->NextExecute();
    }
    honest_->Send(InlineResult(execute.call(), "fine"));
    EXPECT_EQ(Await(call).value_or(""), "fine");
    EXPECT_TRUE(IsDone(lost));
  }

  std::optional<FakeWorker> honest_;
  std::optional<FakeWorker> worker_;
  std::optional<shm::OwnedSegment> segment_;
  uint64_t last_call_ = 0;
};

TEST_P(LyingWorkerTest, BadReferencesFailTheirCallOnlyAndAreReleased) {
  struct Lie {
    const char* what;
    std::function<void(Tensor&)> change;
  };
  const std::vector<Lie> lies = {
      {"an offset beyond the segment", [](Tensor& it) { it.set_offset(kSegment); }},
      {"an end beyond the segment", [](Tensor& it) { it.set_offset(kSegment - 64); }},
      {"an offset that overflows", [](Tensor& it) { it.set_offset(UINT64_MAX - 63); }},
      {"an offset that is not aligned", [](Tensor& it) { it.set_offset(65); }},
      {"a size that is not the shape's", [](Tensor& it) { it.set_size(129); }},
      {"a size beyond the segment",
       [](Tensor& it) {
         it.set_size(uint64_t{1} << 40);
         it.set_shape(0, int64_t{1} << 40);
       }},
      {"another type", [](Tensor& it) { it.set_dtype(static_cast<uint32_t>(DataType::kInt8)); }},
      {"a type that there isn't", [](Tensor& it) { it.set_dtype(77); }},
      {"another rank",
       [](Tensor& it) {
         it.set_shape(0, 64);
         it.add_shape(2);
       }},
      {"a negative dimension", [](Tensor& it) { it.set_shape(0, -128); }},
  };
  for (const auto& [what, change] : lies) {
    const absl::Status status = StatusOfTensor(change);
    EXPECT_TRUE(absl::IsInternal(status)) << what << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("'out'")) << what;
    Tick(absl::Milliseconds(5));
    EXPECT_THAT(worker_->Next().release().calls(), ElementsAre(last_call_)) << what;
  }
  const absl::Status of_inline = StatusOfTensor([](Tensor& it) {
    it.set_segment(0);
    it.set_inline_bytes("of another size");
  });
  EXPECT_TRUE(absl::IsInternal(of_inline)) << of_inline;
  ExpectStillServing();
}

TEST_P(LyingWorkerTest, TheWrongNumberOfOutputsFailsItsCallOnly) {
  EXPECT_TRUE(absl::IsInternal(
      StatusOfAnswer([](worker::v1::Result& it) { *it.add_outputs() = it.outputs(0); })));
  EXPECT_TRUE(absl::IsInternal(StatusOfAnswer([](worker::v1::Result& it) { it.clear_outputs(); })));
  EXPECT_TRUE(absl::IsInternal(StatusOfAnswer([](worker::v1::Result& it) {
    for (int i = 0; i < 1000; ++i) *it.add_outputs() = it.outputs(0);
  })));
  ExpectStillServing();
}

TEST_P(LyingWorkerTest, AMalformedErrorFailsItsCallOnly) {
  EXPECT_TRUE(absl::IsInternal(StatusOfAnswer([](worker::v1::Result& it) { it.set_code(3); })))
      << "an error with outputs";
  EXPECT_TRUE(absl::IsInternal(StatusOfAnswer([](worker::v1::Result& it) {
    it.clear_outputs();
    it.set_code(9999);
  })));
  ExpectStillServing();
}

TEST_P(LyingWorkerTest, ASegmentThatNeverComesDelaysItsCallUntilTheDeadlineOnly) {
  Outcome& call = Start("x", {.timeout = absl::Seconds(1)});
  worker_->Send(ReferenceResult(worker_->NextExecute().call(), 99, 0, 64));
  Outcome& other = Start("y");
  worker_->Send(InlineResult(worker_->NextExecute().call(), "other"));
  EXPECT_EQ(Await(other).value_or(""), "other");
  EXPECT_FALSE(IsDone(call));

  Tick(absl::Seconds(1));

  EXPECT_TRUE(absl::IsDeadlineExceeded(AwaitStatus(call)));
  EXPECT_TRUE(worker_->Next().has_cancel());
  ExpectStillServing();
}

TEST_P(LyingWorkerTest, TwoResultsInOneMessageCountOnce) {
  Outcome& call = Start("x");
  const uint64_t id = worker_->NextExecute().call();

  worker_->SendAll({InlineResult(id, "first"), InlineResult(id, "second")});

  EXPECT_EQ(Await(call).value_or(""), "first");
  Tick(absl::Milliseconds(5));
  EXPECT_EQ(loop_.Do([&] { return call.times_done; }), 1);
}

TEST_P(LyingWorkerTest, AResultTwiceEndsTheSession) {
  Outcome& call = Start("x");
  const uint64_t id = worker_->NextExecute().call();
  worker_->Send(InlineResult(id, "first"));
  EXPECT_EQ(Await(call).value_or(""), "first");
  Outcome& lost = Start("lost");
  worker_->NextExecute();

  worker_->Send(InlineResult(id, "second"));

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, AResultOfACallThatItWasNotGivenEndsTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();

  worker_->Send(InlineResult(12345, "unasked"));

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, FramesThatAreNotForGatewaysEndTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();
  Frame frame;
  frame.mutable_cancel()->set_call(1);

  worker_->Send(frame);

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, ASecondHelloEndsTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();
  Frame frame;
  frame.mutable_hello()->set_protocol_version(session::kProtocolVersion);

  worker_->Send(frame);

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, ASegmentThatIsNotSealedEndsTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();
  const UniqueFd unsealed(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(posix_fallocate(unsealed.get(), 0, kSegment), 0);

  worker_->Announce(2, kSegment, unsealed.get());

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, ASegmentOfAnotherSizeEndsTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();

  worker_->Announce(2, 2 * kSegment, segment_->fd());

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, ASegmentForAnotherSessionEndsTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();

  worker_->Announce(2, kSegment, segment_->fd(), /*session=*/12345);

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, AResultOnTheOtherCarrierEndsTheSession) {
  Outcome& lost = Start("lost");
  const Frame result = InlineResult(worker_->NextExecute().call(), "too late or too early");

  if (GetParam() == WorkerTransport::kExpress) {
    worker_->SendOnStream(result);
  } else {
    worker::v1::Frames message;
    *message.add_frames() = result;
    worker_->SendOnSocket(message.ByteSizeLong(), message.SerializeAsString());
  }

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, AMessageOnTheSocketThatIsNoneEndsTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();

  worker_->SendOnSocket(/*total=*/9, "\xff nonsense");

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, AMessageOnTheSocketOfABadLengthEndsTheSession) {
  Outcome& lost = Start("lost");
  worker_->NextExecute();

  worker_->SendOnSocket(uint64_t{1} << 40, "piece");

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  ExpectReplaced(lost);
}

TEST_P(LyingWorkerTest, AnOutputMayNotBeChangedInSize) {
  // The seals hold for the worker too: what was checked once stays true.
  EXPECT_NE(ftruncate(segment_->fd(), 0), 0);
  ExpectStillServing();
}

INSTANTIATE_TEST_SUITE_P(Carriers, LyingWorkerTest, kTransports, TransportName);

}  // namespace
}  // namespace tiffin::gateway
