#include "gateway/dispatch/runner_pool.h"

#include <memory>
#include <string>
#include <vector>

#include "gateway/graph/row_calls.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/dispatch/dispatch_fixture.h"
#include "tests/unit/gateway/dispatch/fake_worker.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using worker::BytesSignature;

class RunnerPoolTest : public DispatchTest {
 protected:
  ~RunnerPoolTest() override { ClosePool(); }

  // Replica `index` is ready, and the test is its worker.
  FakeWorker& AddWorker(int index) {
    const std::string path = Path("w" + std::to_string(workers_.size()));
    workers_.push_back(std::make_unique<FakeWorker>(path, BytesSignature()));
    Connect(index, path);
    workers_.back()->AwaitSocket();
    return *workers_.back();
  }
  // The process of a replica ends.
  void Die(int index, FakeWorker& worker, bool comes_back) {
    worker.CloseSockets();
    worker.EndStream(absl::UnavailableError("killed"));
    Exit(index, comes_back);
  }
  // On the loop's thread: calls that have ended.
  size_t Done() const {
    size_t count = 0;
    for (const Outcome& outcome : outcomes_) count += outcome.result.has_value() ? 1 : 0;
    return count;
  }
  CallTimings TimingsOf(const Outcome& outcome) {
    return loop_.Do([&] { return (*outcome.result)->timings; });
  }
  bool Ready() {
    return loop_.Do([&] { return pool_->ready(); });
  }

  std::vector<std::unique_ptr<FakeWorker>> workers_;
};

TEST_P(RunnerPoolTest, IsReadyOnceAReplicaIs) {
  MakePool(2, 10);
  EXPECT_FALSE(Ready());

  AddWorker(1);

  EXPECT_TRUE(Ready());
  EXPECT_FALSE(loop_.Do([&] { return pool_->all_ready(); }));
  EXPECT_THAT(loop_.Do([&] { return attached_; }), ElementsAre(Pair(1, true)));
  EXPECT_EQ(loop_.Do([&] { return pool_->description()->methods; }), BytesSignature());

  AddWorker(0);
  EXPECT_TRUE(loop_.Do([&] { return pool_->all_ready(); }));
}

TEST_P(RunnerPoolTest, WithoutAReplicaACallIsUnavailableAtOnce) {
  MakePool(1, 10);

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(Start("x"))));
}

TEST_P(RunnerPoolTest, CallsGoToTheReplicaWithTheLeastOutstanding) {
  MakePool(3, 100);
  std::vector<FakeWorker*> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(&AddWorker(i));
  std::vector<Outcome*> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(&Start(std::to_string(i)));

  std::vector<worker::v1::Execute> first_of_each;
  for (FakeWorker* worker : workers) {
    first_of_each.push_back(worker->NextExecute());
    worker->NextExecute();  // Two each.
  }
  workers[1]->Send(InlineResult(first_of_each[1].call(), "done"));
  EXPECT_EQ(Await(*calls[1]).value_or(""), "done");

  Start("the seventh");

  EXPECT_EQ(workers[1]->NextExecute().inputs(0).inline_bytes(), "the seventh");
  EXPECT_TRUE(workers[0]->NothingMore());
  EXPECT_TRUE(workers[2]->NothingMore());
}

TEST_P(RunnerPoolTest, TheQueueIsBounded) {
  MakePool(1, 2);
  FakeWorker& worker = AddWorker(0);
  std::vector<Outcome*> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(&Start("fits"));  // One executes and two wait.

  const absl::Status full = AwaitStatus(Start("too many"));

  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_THAT(std::string(full.message()), HasSubstr("queue.max is 2"));
  EXPECT_EQ(runner_metrics_->calls.value(absl::StatusCode::kResourceExhausted), 1);
  EXPECT_EQ(runner_metrics_->replicas[0]->calls_in_flight.value(), 3);
  worker.Send(InlineResult(worker.NextExecute().call(), "done"));
  EXPECT_TRUE(AwaitStatus(*calls[0]).ok());
  Outcome& again = Start("fits again");
  EXPECT_FALSE(IsDone(again));
}

// What the pool of another loop has: only the counts are shared, so this stands for it.
TEST_P(RunnerPoolTest, WhatOtherLoopsHaveCountsInTheQueue) {
  MakePool(1, 2);
  FakeWorker& worker = AddWorker(0);
  std::vector<RunnerLoad::Place> others;
  for (int i = 0; i < 2; ++i) others.push_back(*shared_->load.Enter());
  Outcome& last = Start("fits");

  const absl::Status full = AwaitStatus(Start("too many"));

  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_FALSE(shared_->load.Enter().has_value());
  worker.Send(InlineResult(worker.NextExecute().call(), "done"));
  EXPECT_TRUE(AwaitStatus(last).ok());
  EXPECT_TRUE(shared_->load.Enter().has_value());
}

TEST_P(RunnerPoolTest, AReplicaThatOtherLoopsUseIsNotTakenForIdle) {
  MakePool(2, 10);
  AddWorker(0);
  FakeWorker& idle = AddWorker(1);
  RunnerLoad::Place other = *shared_->load.Enter();
  other.GoTo(0);

  Start("x");

  EXPECT_EQ(idle.NextExecute().inputs(0).inline_bytes(), "x");
}

TEST_P(RunnerPoolTest, ARequestThatIsSplitNeverFillsTheQueue) {
  MakePool(1, 0);
  FakeWorker& worker = AddWorker(0);
  const Value rows = loop_.Do([&] {
    return memory_.Copy(DataType::kUint8, {3, 1}, AsBytes(std::string_view("abc"))).value();
  });
  Outcome outcome;

  loop_.Do([&] {
    Call call;
    call.method = &method_;
    call.signature = &signature_.at(method_);  // Takes one row at a time.
    call.inputs.push_back(rows);
    call.rows = 3;
    auto started = StartRowCalls(*pool_, std::move(call), [&](absl::StatusOr<CallResult> result) {
      ++outcome.times_done;
      outcome.result.emplace(std::move(result));
    });
    ASSERT_TRUE(started.ok()) << started.status();
    outcome.pending = *std::move(started);
  });
  for (const char* row : {"a", "b", "c"}) {
    const worker::v1::Execute execute = worker.NextExecute();
    EXPECT_EQ(execute.inputs(0).inline_bytes(), row);
    worker.Send(InlineResult(execute.call(), row));
  }

  EXPECT_TRUE(AwaitStatus(outcome).ok()) << AwaitStatus(outcome);
  loop_.Do([&] { outcome = Outcome(); });
}

TEST_P(RunnerPoolTest, ACallWhoseDeadlineWouldPassInTheQueueIsRefusedAtOnce) {
  MakePool(1, 100);
  FakeWorker& worker = AddWorker(0);
  for (int i = 0; i < 20; ++i) Start("waits");
  for (int i = 0; i < 20; ++i) {  // Each takes 10 ms, and another one comes.
    const uint64_t id = worker.NextExecute().call();
    clock_.Advance(absl::Milliseconds(10));
    const size_t done_before = loop_.Do([&] { return Done(); });
    worker.Send(InlineResult(id, "done"));
    ASSERT_TRUE(loop_.Await([&] { return Done() > done_before; }));
    Start("waits");
  }

  const absl::Status hasty = AwaitStatus(Start("hasty", {.timeout = absl::Milliseconds(100)}));
  Outcome& patient = Start("patient", {.timeout = absl::Milliseconds(500)});

  EXPECT_TRUE(absl::IsResourceExhausted(hasty)) << hasty;
  EXPECT_THAT(hasty.message(), HasSubstr("with 20 calls before it this one might take 235ms"));
  while (worker.NextExecute().inputs(0).inline_bytes() != "patient") {
  }
  EXPECT_FALSE(IsDone(patient));
}

TEST_P(RunnerPoolTest, ATimeWithoutAReplicaIsNotTakenForASlowQueue) {
  MakePool(1, 100);
  FakeWorker& worker = AddWorker(0);
  for (int i = 0; i < 8; ++i) {
    Outcome& quick = Start("quick");
    worker.Send(InlineResult(worker.NextExecute().call(), "done"));
    EXPECT_TRUE(AwaitStatus(quick).ok());
  }
  Outcome& waits = Start("waits", {.retries = 1});
  worker.NextExecute();
  Die(0, worker, /*comes_back=*/true);
  Tick(absl::Milliseconds(900));
  FakeWorker& next = AddWorker(0);
  next.Send(InlineResult(next.NextExecute().call(), "done"));
  EXPECT_TRUE(AwaitStatus(waits).ok());

  Outcome& hasty = Start("hasty", {.timeout = absl::Milliseconds(50)});

  next.Send(InlineResult(next.NextExecute().call(), "done"));
  EXPECT_TRUE(AwaitStatus(hasty).ok()) << AwaitStatus(hasty);
}

TEST_P(RunnerPoolTest, AnAbandonedCallKeepsItsReplicaBusyForThoseThatCome) {
  MakePool(2, 100);
  FakeWorker& busy = AddWorker(0);
  FakeWorker& idle = AddWorker(1);
  Outcome& abandoned = Start("abandoned");
  busy.NextExecute();
  Abandon(abandoned);

  Start("next");

  EXPECT_EQ(idle.NextExecute().inputs(0).inline_bytes(), "next");
}

TEST_P(RunnerPoolTest, WhatALostSessionLeftExecutingKeepsItsReplicaBusy) {
  MakePool(2, 100);
  FakeWorker& busy = AddWorker(0);
  FakeWorker& idle = AddWorker(1);
  Outcome& lost = Start("lost");
  busy.NextExecute();
  busy.EndStream(absl::UnavailableError("the stream broke"));  // The process lives, and executes.
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  EXPECT_TRUE(loop_.Await([&] {
    clock_.Advance(absl::Milliseconds(1));
    return pool_->all_ready();
  }));

  Start("next");

  EXPECT_EQ(idle.NextExecute().inputs(0).inline_bytes(), "next");
}

TEST_P(RunnerPoolTest, WhatALostSessionLeftExecutingTakesNoPlaceInTheQueue) {
  MakePool(1, 0);
  FakeWorker& worker = AddWorker(0);
  Outcome& lost = Start("lost");
  worker.NextExecute();
  worker.EndStream(absl::UnavailableError("the stream broke"));  // The process lives, and executes.
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(lost)));
  EXPECT_TRUE(loop_.Await([&] {
    clock_.Advance(absl::Milliseconds(1));
    return pool_->ready();
  }));
  EXPECT_EQ(loop_.Do([&] { return pool_->replica(0).lost_calls(); }), 1);

  Start("next");

  EXPECT_EQ(worker.NextExecute().inputs(0).inline_bytes(), "next");
}

TEST_P(RunnerPoolTest, AbandonedCallsCountUntilTheWorkerAnswers) {
  MakePool(1, 0);
  FakeWorker& worker = AddWorker(0);
  Outcome& abandoned = Start("x");
  const uint64_t id = worker.NextExecute().call();
  Abandon(abandoned);
  EXPECT_TRUE(absl::IsResourceExhausted(AwaitStatus(Start("y"))));
  EXPECT_EQ(worker.Next().cancel().call(), id);

  worker.Send(ErrorOf(id, absl::StatusCode::kCancelled));

  EXPECT_TRUE(loop_.Await([&] { return shared_->load.at(0) == 0; }));
  EXPECT_FALSE(IsDone(Start("z")));
}

TEST_P(RunnerPoolTest, ALostCallIsRunAgainOnAnotherReplica) {
  MakePool(2, 100);
  FakeWorker& first = AddWorker(0);
  FakeWorker& second = AddWorker(1);
  Outcome& call = Start("important", {.retries = 1});
  EXPECT_EQ(first.NextExecute().inputs(0).inline_bytes(), "important");

  clock_.Advance(absl::Milliseconds(3));
  first.EndStream(absl::UnavailableError("broken"));

  const worker::v1::Execute again = second.NextExecute();
  EXPECT_EQ(again.inputs(0).inline_bytes(), "important");
  clock_.Advance(absl::Milliseconds(1));
  second.Send(InlineResult(again.call(), "done"));
  EXPECT_EQ(Await(call).value_or(""), "done");
  EXPECT_EQ(TimingsOf(call).retries, 1);
  EXPECT_EQ(TimingsOf(call).retry, absl::Milliseconds(3)) << "the attempt that failed";
  EXPECT_EQ(TimingsOf(call).queue, absl::ZeroDuration());
}

TEST_P(RunnerPoolTest, ALostCallIsNotRunAgainWithoutRetries) {
  MakePool(2, 100);
  FakeWorker& first = AddWorker(0);
  FakeWorker& second = AddWorker(1);
  Outcome& call = Start("once");
  first.NextExecute();

  first.EndStream(absl::UnavailableError("broken"));

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(call)));
  Start("marker");
  EXPECT_EQ(second.NextExecute().inputs(0).inline_bytes(), "marker");
}

TEST_P(RunnerPoolTest, RetriesAreCounted) {
  MakePool(3, 100);
  std::vector<FakeWorker*> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(&AddWorker(i));
  Outcome& call = Start("x", {.retries = 2});

  for (FakeWorker* worker : workers) {
    worker->NextExecute();
    EXPECT_FALSE(IsDone(call));
    worker->EndStream(absl::UnavailableError("broken"));
  }

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(call)));
  EXPECT_EQ(runner_metrics_->retries.value(), 2);
  EXPECT_EQ(runner_metrics_->calls.value(absl::StatusCode::kUnavailable), 1);
}

TEST_P(RunnerPoolTest, OtherErrorsAreNotRunAgain) {
  for (const auto code : {absl::StatusCode::kInternal, absl::StatusCode::kResourceExhausted,
                          absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kAborted}) {
    MakePool(1, 100);
    FakeWorker& worker = AddWorker(0);
    Outcome& call = Start("x", {.retries = 5});

    worker.Send(ErrorOf(worker.NextExecute().call(), code));

    EXPECT_EQ(AwaitStatus(call).code(), code);
    ClosePool();
  }
}

TEST_P(RunnerPoolTest, CallsWaitForAReplicaThatComesBack) {
  MakePool(1, 100);
  Die(0, AddWorker(0), /*comes_back=*/true);
  EXPECT_FALSE(Ready());
  Outcome& first = Start("first");
  Outcome& second = Start("second");
  EXPECT_FALSE(IsDone(first));
  clock_.Advance(absl::Milliseconds(3));

  EXPECT_EQ(runner_metrics_->waiting.value(), 2);
  EXPECT_EQ(runner_metrics_->replicas[0]->ready_sessions.value(), 0);

  FakeWorker& next = AddWorker(0);

  EXPECT_EQ(runner_metrics_->waiting.value(), 0);
  EXPECT_EQ(runner_metrics_->replicas[0]->ready_sessions.value(), 1);
  for (Outcome* call : {&first, &second}) {
    const worker::v1::Execute execute = next.NextExecute();
    next.Send(InlineResult(execute.call(), execute.inputs(0).inline_bytes()));
    EXPECT_EQ(Await(*call).value_or(""), call == &first ? "first" : "second");
    EXPECT_EQ(TimingsOf(*call).queue, absl::Milliseconds(3));
    EXPECT_EQ(TimingsOf(*call).retries, 0);
  }
}

TEST_P(RunnerPoolTest, CallsWaitWhileTheirSessionIsMadeAgain) {
  MakePool(1, 100);
  FakeWorker& worker = AddWorker(0);
  worker.EndStream(absl::UnavailableError("broken"));
  ASSERT_TRUE(loop_.Await([&] { return !pool_->ready(); }));

  Outcome& call = Start("patient");
  EXPECT_FALSE(IsDone(call));
  Tick(absl::Milliseconds(100));

  const worker::v1::Execute execute = worker.NextExecute();
  EXPECT_EQ(worker.sessions(), 2);
  worker.Send(InlineResult(execute.call(), "done"));
  EXPECT_EQ(Await(call).value_or(""), "done");
}

TEST_P(RunnerPoolTest, ALostCallThatMayBeRunAgainWaitsForItsReplica) {
  MakePool(1, 100);
  FakeWorker& worker = AddWorker(0);
  Outcome& call = Start("important", {.retries = 1});
  worker.NextExecute();
  Die(0, worker, /*comes_back=*/true);
  EXPECT_FALSE(IsDone(call));

  FakeWorker& next = AddWorker(0);

  next.Send(InlineResult(next.NextExecute().call(), "done"));
  EXPECT_EQ(Await(call).value_or(""), "done");
}

TEST_P(RunnerPoolTest, TheNextLifeMayListenBeforeTheLostCallsWereTold) {
  MakePool(1, 100);
  FakeWorker& worker = AddWorker(0);
  Outcome& once = Start("once");
  Outcome& again = Start("again", {.retries = 1});
  worker.NextExecute();
  worker.NextExecute();
  const std::string path = Path("next");
  workers_.push_back(std::make_unique<FakeWorker>(path, BytesSignature()));

  loop_.Do([&] {  // Nothing that is deferred runs in between.
    pool_->replica(0).OnExited(/*comes_back=*/true);
    pool_->replica(0).OnListening(path);
  });
  worker.EndStream(absl::UnavailableError("killed"));

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(once)));
  // At once, as if the loss before were none of its own.
  ASSERT_TRUE(loop_.Await([&] { return pool_->ready(); }));
  FakeWorker& next = *workers_.back();
  const worker::v1::Execute execute = next.NextExecute();
  EXPECT_EQ(execute.inputs(0).inline_bytes(), "again");
  next.Send(InlineResult(execute.call(), "done"));
  EXPECT_EQ(Await(again).value_or(""), "done");
}

TEST_P(RunnerPoolTest, CallsThatWaitFailWhenTheReplicaDoesNotComeBack) {
  MakePool(1, 100);
  Die(0, AddWorker(0), /*comes_back=*/true);
  Outcome& call = Start("x");

  Exit(0, /*comes_back=*/false);  // Died again, before it served.

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(call)));
}

TEST_P(RunnerPoolTest, AWaitingCallEndsAtItsDeadline) {
  MakePool(1, 100);
  Die(0, AddWorker(0), /*comes_back=*/true);
  Outcome& call = Start("x", {.timeout = absl::Seconds(1)});
  Tick(absl::Milliseconds(900));
  EXPECT_FALSE(IsDone(call));

  Tick(absl::Milliseconds(100));

  EXPECT_TRUE(absl::IsDeadlineExceeded(AwaitStatus(call)));
}

TEST_P(RunnerPoolTest, AWaitingCallMayBeAbandoned) {
  MakePool(1, 100);
  Die(0, AddWorker(0), /*comes_back=*/true);
  Outcome& abandoned = Start("abandoned");
  Outcome& waiting = Start("waiting");

  Abandon(abandoned);
  FakeWorker& next = AddWorker(0);

  EXPECT_EQ(next.NextExecute().inputs(0).inline_bytes(), "waiting");
  EXPECT_FALSE(IsDone(waiting));
}

TEST_P(RunnerPoolTest, WaitingCallsAreBoundedToo) {
  MakePool(1, 1);
  Die(0, AddWorker(0), /*comes_back=*/true);
  Start("one");
  Start("two");

  EXPECT_TRUE(absl::IsResourceExhausted(AwaitStatus(Start("three"))));
}

TEST_P(RunnerPoolTest, AWorkerWithAnotherSignatureIsNotUsed) {
  MakePool(1, 100);
  Die(0, AddWorker(0), /*comes_back=*/true);
  Outcome& waiting = Start("x");
  Signature other = BytesSignature();
  other.at("run").outputs.front().name = "renamed";
  const std::string path = Path("other");
  workers_.push_back(std::make_unique<FakeWorker>(path, other));

  Listen(0, path);

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(waiting)));
  EXPECT_FALSE(Ready());
  EXPECT_THAT(loop_.Do([&] { return attached_; }), ElementsAre(Pair(0, true), Pair(0, false)));
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(Start("y"))));
}

TEST_P(RunnerPoolTest, APathWhereNobodyListensIsTriedAgain) {
  MakePool(1, 100);
  const std::string path = Path("late");
  Listen(0, path);
  Tick(absl::Milliseconds(200));
  EXPECT_FALSE(Ready());

  FakeWorker late(path, BytesSignature());

  EXPECT_TRUE(loop_.Await([&] {
    clock_.Advance(absl::Milliseconds(1));
    return pool_->ready();
  }));
  ClosePool();
}

TEST_P(RunnerPoolTest, APathWhereNobodyListensYetIsTriedAgainAMomentLater) {
  MakePool(1, 100);
  const std::string path = Path("soon");
  Listen(0, path);
  EXPECT_FALSE(Ready());  // Its session was lost in the turn before.
  FakeWorker soon(path, BytesSignature());

  Tick(absl::Milliseconds(1));

  EXPECT_TRUE(loop_.Await([&] { return pool_->ready(); }));
  ClosePool();
}

TEST_P(RunnerPoolTest, ThePoolMayGoWithCallsInEveryState) {
  MakePool(2, 100);
  FakeWorker& worker = AddWorker(0);
  Start(std::string(4096, 'x'));
  Start("y", {.retries = 1, .timeout = absl::Seconds(1)});
  worker.NextExecute();
  Die(0, worker, /*comes_back=*/true);
  Start("waits");

  ClosePool();

  EXPECT_EQ(MemoryInUse(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Carriers, RunnerPoolTest, kTransports, TransportName);

}  // namespace
}  // namespace tiffin::gateway
