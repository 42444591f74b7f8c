#include "worker/runtime/executor.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/session/frames.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"

namespace tiffin::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest() { executor_.emplace(backend_, queue_, peer_.page(), peer_.clock()); }
  ~ExecutorTest() override {
    gate_->Open();
    executor_.reset();
  }

  std::shared_ptr<QueuedCall> Queue(uint64_t id, const std::string& input) {
    auto call = peer_.MakeCall(id, backend_.signature().at("run"), input);
    queue_.Push(call);
    return call;
  }
  // A call that executes until the gate is opened; those after it wait in the queue.
  void Occupy() {
    backend_.Behave(IdentityBehind(gate_));
    Queue(100, "occupies");
    ASSERT_TRUE(backend_.AwaitBegun(1));
  }
  v1::Result NextResult() { return peer_.Next().result(); }
  std::vector<std::string> Executed() const {
    std::vector<std::string> inputs;
    for (const Execution& execution : backend_.executions()) {
      inputs.push_back(execution.first_input);
    }
    return inputs;
  }

  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // Shared with the backend.
  TestPeer peer_;
  ControlledBackend backend_{BytesSignature(), Identity};
  CallQueue queue_{peer_.clock()};
  std::optional<Executor> executor_;
};

TEST_F(ExecutorTest, SendsTheOutputsAndTheTimes) {
  backend_.Behave([&](const Invocation& invocation, Outputs& outputs) {
    peer_.clock().Advance(absl::Milliseconds(3));
    return Identity(invocation, outputs);
  });
  auto call = peer_.MakeCall(4, backend_.signature().at("run"), "hello");
  call->received = peer_.clock().Now() - absl::Milliseconds(2);

  queue_.Push(call);

  const v1::Result result = NextResult();
  EXPECT_EQ(result.call(), 4U);
  EXPECT_EQ(result.code(), 0U);
  ASSERT_EQ(result.outputs_size(), 1);
  EXPECT_EQ(result.outputs(0).inline_bytes(), "hello");
  EXPECT_EQ(result.queue_us(), 2000U);
  EXPECT_EQ(result.batch_us(), 0U);
  EXPECT_EQ(result.compute_us(), 3000U);
  EXPECT_EQ(result.executed_rows(), 1U);
  EXPECT_EQ(peer_.peer()->FindCall(4), nullptr);
}

TEST_F(ExecutorTest, ExecutesOneAtATimeAndInOrder) {
  Occupy();
  Queue(1, "a");
  Queue(2, "b");
  EXPECT_EQ(executor_->executing(), 1);
  EXPECT_EQ(backend_.executions().size(), 1U);

  gate_->Open();

  for (const uint64_t id : {100U, 1U, 2U}) EXPECT_EQ(NextResult().call(), id);
  EXPECT_THAT(Executed(), ElementsAre("occupies", "a", "b"));
}

TEST_F(ExecutorTest, ExecutesAsManyAtATimeAsTheBackendAllows) {
  ControlledBackend pair(BytesSignature(), IdentityBehind(gate_), /*concurrency=*/2);
  CallQueue queue(peer_.clock());
  Executor executor(pair, queue, peer_.page(), peer_.clock());
  for (const uint64_t id : {1U, 2U, 3U}) {
    queue.Push(peer_.MakeCall(id, pair.signature().at("run"), "in"));
  }

  ASSERT_TRUE(pair.AwaitBegun(2));
  EXPECT_EQ(executor.executing(), 2);
  EXPECT_EQ(queue.size(), 1U);

  gate_->Open();
  std::vector<uint64_t> ended;
  for (int i = 0; i < 3; ++i) ended.push_back(NextResult().call());
  EXPECT_THAT(ended, UnorderedElementsAre(1, 2, 3));
}

// Where nothing is shared with the gateway.
class ExecutorInlineTest : public ::testing::Test {
 protected:
  // Of four pieces.
  const std::string large_ = std::string(3 * session::kMaxPiece + 100, 'x');
  // One call's output, and not two.
  const shm::PoolLimits limits_{
      .first_segment = 1 << 20, .largest_segment = 1 << 20, .total = 1 << 20};
  TestPeer peer_{limits_, Peer::Tensors::kInline};
};

TEST_F(ExecutorInlineTest, OutputsThatAreNotWantedAnyMoreStopOnTheirWay) {
  ControlledBackend backend(BytesSignature(), Identity);
  CallQueue queue(peer_.clock());
  Executor executor(backend, queue, peer_.page(), peer_.clock());
  queue.Push(peer_.MakeCall(1, backend.signature().at("run"), large_));
  ASSERT_TRUE(peer_.Next().result().outputs(0).in_pieces());

  peer_.peer()->StopOutputs(1);

  // One was with the result, and one is being written.
  EXPECT_EQ(peer_.Next().piece().data().size(), session::kMaxPiece);
  EXPECT_EQ(peer_.Next().piece().data().size(), session::kMaxPiece);
  EXPECT_EQ(peer_.Next().pieces_stopped().call(), 1U);
  EXPECT_TRUE(peer_.peer()->Allocate(large_.size()).ok()) << "its memory is kept";
  peer_.peer()->StopOutputs(1);  // There is nothing to stop.
  EXPECT_TRUE(peer_.Silent());
}

TEST_F(ExecutorInlineTest, OutputsOfACallThatWasCancelledWhileItExecutedDoNotCome) {
  std::shared_ptr<QueuedCall> call;
  ControlledBackend backend(BytesSignature(), [&](const Invocation& invocation, Outputs& outputs) {
    call->cancelled = true;
    return Identity(invocation, outputs);
  });
  CallQueue queue(peer_.clock());
  Executor executor(backend, queue, peer_.page(), peer_.clock());
  call = peer_.MakeCall(1, backend.signature().at("run"), large_);

  queue.Push(call);

  EXPECT_EQ(peer_.Next().result().call(), 1U);
  EXPECT_EQ(peer_.Next().pieces_stopped().call(), 1U);
  EXPECT_TRUE(peer_.peer()->Allocate(large_.size()).ok()) << "its memory is kept";
}

// What a backend that asks whether it is wanted is told before and after `happens`.
std::vector<bool> Answers(TestPeer& peer, const std::function<void(QueuedCall&)>& happens) {
  std::vector<bool> answers;
  std::shared_ptr<QueuedCall> call;
  ControlledBackend backend(BytesSignature(),
                            [&](const Invocation& invocation, Outputs& /*outputs*/) {
                              answers.push_back(invocation.abandoned());
                              happens(*call);
                              answers.push_back(invocation.abandoned());
                              return absl::CancelledError("stopped");
                            });
  call = peer.MakeCall(1, backend.signature().at("run"), "in");
  call->deadline = peer.clock().Now() + absl::Seconds(1);
  CallQueue queue(peer.clock());
  queue.Push(call);
  { const Executor executor(backend, queue, peer.page(), peer.clock()); }
  return answers;
}

TEST_F(ExecutorTest, ABackendSeesThatItsCallIsNotWantedAnyMore) {
  TestPeer expired;
  EXPECT_THAT(Answers(expired, [&](QueuedCall&) { expired.clock().Advance(absl::Seconds(2)); }),
              ElementsAre(false, true));
  TestPeer lost;
  EXPECT_THAT(Answers(lost, [&](QueuedCall&) { lost.peer()->Close(); }), ElementsAre(false, true));
  TestPeer wanted;
  EXPECT_THAT(Answers(wanted, [](QueuedCall&) {}), ElementsAre(false, false));
}

TEST_F(ExecutorTest, ACallThatExpiresInTheQueueNeverExecutes) {
  Occupy();
  const auto expiring = Queue(1, "expires");
  expiring->deadline = peer_.clock().Now() + absl::Seconds(1);
  const auto lasting = Queue(2, "lasts");
  lasting->deadline = peer_.clock().Now() + absl::Seconds(60);
  peer_.clock().Advance(absl::Seconds(1));

  gate_->Open();

  EXPECT_EQ(NextResult().call(), 100U);
  const v1::Result expired = NextResult();
  EXPECT_EQ(expired.call(), 1U);
  EXPECT_EQ(expired.code(), static_cast<uint32_t>(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(NextResult().code(), 0U);
  EXPECT_THAT(Executed(), ElementsAre("occupies", "lasts"));
}

TEST_F(ExecutorTest, ACallThatIsDroppedInTheQueueNeverExecutesAndIsAnsweredOnce) {
  Occupy();
  const auto cancelled = Queue(1, "cancelled");
  Queue(2, "stays");
  ASSERT_TRUE(cancelled->Take(QueuedCall::State::kDropped));
  EndCall(*cancelled, absl::CancelledError("cancelled while queued"));

  gate_->Open();

  EXPECT_EQ(NextResult().call(), 1U);
  EXPECT_EQ(NextResult().call(), 100U);
  EXPECT_EQ(NextResult().call(), 2U);
  EXPECT_TRUE(peer_.Silent()) << "a second answer";
  EXPECT_THAT(Executed(), ElementsAre("occupies", "stays"));
}

TEST_F(ExecutorTest, ACallThatExecutesCanNotBeDropped) {
  Occupy();

  EXPECT_FALSE(peer_.peer()->FindCall(100)->Take(QueuedCall::State::kDropped));

  gate_->Open();
  EXPECT_EQ(NextResult().code(), 0U);
}

TEST_F(ExecutorTest, CallsOfAClosedSessionNeverExecute) {
  Occupy();
  Queue(1, "lost");
  peer_.peer()->Close();
  gate_->Open();

  TestPeer other;
  queue_.Push(other.MakeCall(1, backend_.signature().at("run"), "other"));

  EXPECT_EQ(other.Next().result().call(), 1U);
  EXPECT_THAT(Executed(), ElementsAre("occupies", "other"));
  EXPECT_TRUE(peer_.Silent());
}

TEST_F(ExecutorTest, TheBackendsErrorIsTheResult) {
  backend_.Behave([](const Invocation&, Outputs& outputs) {
    const auto kept = outputs.Allocate(0, DataType::kUint8, Shape{1000}, 1000);
    return kept.ok() ? absl::InvalidArgumentError("an image, please") : kept.status();
  });
  Queue(1, "x");

  const v1::Result result = NextResult();

  EXPECT_EQ(result.code(), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(result.message(), "an image, please");
  EXPECT_EQ(result.outputs_size(), 0);
}

TEST_F(ExecutorTest, AnOutputLeftOutIsAnInternalErrorThatNamesIt) {
  backend_.Behave([](const Invocation&, Outputs&) { return absl::OkStatus(); });
  Queue(1, "x");

  const v1::Result result = NextResult();

  EXPECT_EQ(result.code(), static_cast<uint32_t>(absl::StatusCode::kInternal));
  EXPECT_THAT(result.message(), HasSubstr("'out'"));
}

TEST_F(ExecutorTest, WorkGoesOnAfterAnError) {
  backend_.Behave([](const Invocation&, Outputs&) { return absl::InternalError("broken"); });
  Queue(1, "x");
  EXPECT_NE(NextResult().code(), 0U);

  backend_.Behave(Identity);
  Queue(2, "y");

  EXPECT_EQ(NextResult().code(), 0U);
}

TEST_F(ExecutorTest, BrokenFramingIsRefusedBeforeTheBackendSeesIt) {
  MethodSignature text = backend_.signature().at("run");
  text.inputs.front() = {"text", SingleType(ValueKind::kText)};
  auto call = peer_.MakeCall(1, text, std::string("\xff\xff\0\0tiffin", 10));
  call->inputs.front().shape = {1};
  queue_.Push(call);

  const v1::Result result = NextResult();

  EXPECT_EQ(result.code(), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(result.message(), HasSubstr("'text'"));
  EXPECT_TRUE(backend_.executions().empty());
}

TEST_F(ExecutorTest, ACallIsListedUntilItsAnswerIsSent) {
  Queue(1, "x");
  EXPECT_EQ(NextResult().code(), 0U);
  EXPECT_TRUE(peer_.listed_when_sent());

  backend_.Behave([](const Invocation&, Outputs&) { return absl::InternalError("broken"); });
  Queue(2, "y");
  EXPECT_NE(NextResult().code(), 0U);
  EXPECT_TRUE(peer_.listed_when_sent());

  executor_.reset();
  EXPECT_FALSE(peer_.page().executing());
}

TEST_F(ExecutorTest, ACallIsListedBeforeItsInputsAreLookedAt) {
  MethodSignature text = backend_.signature().at("run");
  text.inputs.front() = {"text", SingleType(ValueKind::kText)};
  auto call = peer_.MakeCall(1, text, std::string("\xff\xff\0\0tiffin", 10));
  call->inputs.front().shape = {1};

  queue_.Push(call);

  EXPECT_NE(NextResult().code(), 0U);
  EXPECT_TRUE(peer_.listed_when_sent());
}

TEST_F(ExecutorTest, DestructionFinishesTheExecutionUnderWay) {
  Occupy();
  gate_->Open();

  executor_.reset();

  EXPECT_EQ(NextResult().call(), 100U);
}

}  // namespace
}  // namespace tiffin::worker
