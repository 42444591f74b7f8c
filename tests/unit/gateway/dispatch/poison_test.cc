#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/session/executing_page.h"
#include "common/shm/segment.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/dispatch/dispatch_fixture.h"
#include "tests/unit/gateway/dispatch/fake_worker.h"

// What is done about calls whose execution ends the worker.
namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using worker::BytesSignature;
using Trial = session::ExecutingPage::Trial;

Signature NotRetrySafe() {
  Signature signature = BytesSignature();
  signature.begin()->second.retry_safe = false;
  return signature;
}

class PoisonTest : public DispatchTest {
 protected:
  // A worker's process, played by the test.
  struct Life {
    std::unique_ptr<FakeWorker> worker;
    std::unique_ptr<session::ExecutingPage> page;
    uint64_t session = 0;
    std::deque<worker::v1::Execute> waiting;  // Read already.
    std::vector<session::ExecutingPage::Listing> listings;
  };

  explicit PoisonTest(Signature signature = BytesSignature())
      : DispatchTest(std::move(signature)) {}
  ~PoisonTest() override { ClosePool(); }

  // Replica `index` is ready, and the gateway has its page.
  Life& AddLife(int index) {
    const std::string path = Path("w" + std::to_string(lives_.size()));
    Life& life = lives_.emplace_back();
    life.worker = std::make_unique<FakeWorker>(path, signature_);
    life.page = session::ExecutingPage::Create(8).value();
    Connect(index, path);
    life.worker->AwaitSocket();
    life.worker->Announce(session::kExecutingPage, life.page->size(), life.page->fd());
    life.session = life.worker->session();
    AwaitThatThePageCame(life);
    return life;
  }
  // The worker executes the next call that it is given.
  worker::v1::Execute Execute(Life& life) {
    worker::v1::Execute execute = Next(life);
    const session::ExecutingCall call{.session = life.session, .call = execute.call()};
    life.listings.push_back(life.page->List({{call}}, execute.alone() ? Trial::kYes : Trial::kNo));
    return execute;
  }
  worker::v1::Execute Next(Life& life) {
    if (life.waiting.empty()) return life.worker->NextExecute();
    worker::v1::Execute execute = std::move(life.waiting.front());
    life.waiting.pop_front();
    return execute;
  }
  // The process ends and comes back.
  void Die(int index, Life& life) {
    life.worker->CloseSockets();
    life.worker->EndStream(absl::UnavailableError("killed"));
    Exit(index, /*comes_back=*/true);
  }
  void DieOf(int signal, int index, Life& life) {
    life.page->RecordFault(static_cast<uint32_t>(signal));
    Die(index, life);
  }

  std::deque<Life> lives_;

 private:
  // By a call whose result lies in a segment, which is announced after the page.
  void AwaitThatThePageCame(Life& life) {
    Outcome& marker = Start("marker");
    worker::v1::Execute execute = life.worker->NextExecute();
    while (execute.inputs(0).inline_bytes() != "marker") {
      life.waiting.push_back(execute);
      execute = life.worker->NextExecute();
    }
    const shm::OwnedSegment segment = shm::OwnedSegment::Create(4096).value();
    life.worker->Announce(1, segment.size(), segment.fd());
    life.worker->Send(ReferenceResult(execute.call(), 1, 0, 1000));
    ASSERT_TRUE(AwaitStatus(marker).ok());
    Forget(marker);
  }
};

TEST_P(PoisonTest, ASuspectIsRunAgainAloneAndThenQuarantined) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& poison = Start("poison", {.retries = 5});
  EXPECT_FALSE(Execute(first).alone());
  DieOf(SIGSEGV, 0, first);
  Life& second = AddLife(0);
  EXPECT_TRUE(Execute(second).alone());
  DieOf(SIGSEGV, 0, second);

  const absl::Status status = AwaitStatus(poison);

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("has ended the model's worker twice"));
  EXPECT_EQ(runner_metrics_->retries.value(), 1) << "what is refused is not run again";
  AddLife(0);
  EXPECT_TRUE(absl::IsInvalidArgument(AwaitStatus(Start("poison"))));
}

TEST_P(PoisonTest, ASuccessClearsASuspect) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& call = Start("unlucky", {.retries = 1});
  Execute(first);
  DieOf(SIGABRT, 0, first);
  Life& second = AddLife(0);
  second.worker->Send(InlineResult(Execute(second).call(), "done"));
  EXPECT_EQ(Await(call).value_or(""), "done");

  Outcome& again = Start("unlucky");

  EXPECT_FALSE(Execute(second).alone());
  Abandon(again);
}

TEST_P(PoisonTest, TheSameContentTwiceInOneDeadWorkerIsNotRefusedUntried) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& one = Start("same", {.retries = 1});
  Outcome& other = Start("same", {.retries = 1});
  Execute(first);
  Execute(first);
  DieOf(SIGSEGV, 0, first);
  Life& second = AddLife(0);

  const worker::v1::Execute trial = Execute(second);

  EXPECT_TRUE(trial.alone());
  second.worker->Send(InlineResult(trial.call(), "done"));
  // Which cleared the other one too.
  second.worker->Send(InlineResult(Execute(second).call(), "done"));
  EXPECT_EQ(Await(one).value_or(""), "done");
  EXPECT_EQ(Await(other).value_or(""), "done");
}

TEST_P(PoisonTest, SuspectsAreTriedOneAtATime) {
  MakePool(2, 10);
  Life& first = AddLife(0);
  Outcome& one = Start("one", {.retries = 1});
  Outcome& another = Start("another", {.retries = 1});
  Execute(first);
  Execute(first);
  AddLife(1);
  DieOf(SIGSEGV, 0, first);
  Life& other = lives_[1];
  const worker::v1::Execute trial = Execute(other);
  EXPECT_TRUE(trial.alone());
  Life& back = AddLife(0);

  // Nothing else is sent while it runs, though a replica idles.
  Outcome& fresh = Start("fresh");
  const worker::v1::Execute next = Execute(back);
  EXPECT_FALSE(next.alone());
  back.worker->Send(InlineResult(next.call(), "fresh"));
  EXPECT_EQ(Await(fresh).value_or(""), "fresh");
  EXPECT_TRUE(back.worker->NothingMore() && other.worker->NothingMore());
  other.worker->Send(InlineResult(trial.call(), "done"));
  // The other suspect's turn. Both replicas are idle, and the first of them is chosen.
  const worker::v1::Execute last = Execute(back);
  EXPECT_TRUE(last.alone());
  back.worker->Send(InlineResult(last.call(), "done"));
  EXPECT_EQ(Await(one).value_or(""), "done");
  EXPECT_EQ(Await(another).value_or(""), "done");
}

// What the pool of another loop has: only the turn is shared, so this stands for it.
TEST_P(PoisonTest, ASuspectWaitsForTheTrialOfAnotherLoop) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& suspect = Start("suspect", {.retries = 1});
  Execute(first);
  std::optional<TrialTurn::Held> others = shared_->trial_turn.Take([] {});
  DieOf(SIGSEGV, 0, first);
  Life& second = AddLife(0);
  Outcome& fresh = Start("fresh");
  const worker::v1::Execute next = Execute(second);
  EXPECT_EQ(next.inputs(0).inline_bytes(), "fresh");
  second.worker->Send(InlineResult(next.call(), "done"));
  EXPECT_EQ(Await(fresh).value_or(""), "done");

  others.reset();

  const worker::v1::Execute trial = Execute(second);
  EXPECT_TRUE(trial.alone());
  EXPECT_FALSE(shared_->trial_turn.Take([] {}).has_value());
  second.worker->Send(InlineResult(trial.call(), "done"));
  EXPECT_EQ(Await(suspect).value_or(""), "done");
  EXPECT_TRUE(loop_.Await([&] { return shared_->trial_turn.Take([] {}).has_value(); }));
}

TEST_P(PoisonTest, WhatWaitedIsRunAgainFreely) {
  MakePool(1, 10);
  Life& life = AddLife(0);
  Outcome& poison = Start("poison");
  Outcome& waiting = Start("waits");
  Execute(life);
  Next(life);
  DieOf(SIGSEGV, 0, life);
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(poison))) << "it may not be retried";
  Life& next = AddLife(0);

  const worker::v1::Execute again = Execute(next);

  EXPECT_FALSE(again.alone());
  next.worker->Send(InlineResult(again.call(), "done"));
  EXPECT_EQ(Await(waiting).value_or(""), "done");
}

TEST_P(PoisonTest, WhatWasKilledFromOutsideIsNoSuspect) {
  MakePool(1, 10);
  for (int i = 0; i < 4; ++i) {
    Life& life = AddLife(0);
    Outcome& call = Start("innocent");
    EXPECT_FALSE(Execute(life).alone()) << i;
    Die(0, life);
    EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(call)));
  }
}

TEST_P(PoisonTest, WhatRunsBesideATrialIsNotBlamed) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& poison = Start("poison", {.retries = 1});
  Execute(first);
  DieOf(SIGSEGV, 0, first);
  Life& second = AddLife(0);
  EXPECT_TRUE(Execute(second).alone());
  Outcome& beside = Start("beside");
  Execute(second);
  DieOf(SIGSEGV, 0, second);
  EXPECT_TRUE(absl::IsInvalidArgument(AwaitStatus(poison)));
  Life& third = AddLife(0);

  const worker::v1::Execute again = Execute(third);

  EXPECT_FALSE(again.alone());
  third.worker->Send(InlineResult(again.call(), "done"));
  EXPECT_EQ(Await(beside).value_or(""), "done");
}

TEST_P(PoisonTest, NeitherIsWhatRunsBesideATrialOfAnotherLoop) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& beside = Start("beside");
  Execute(first);
  first.listings.push_back(first.page->List({{{.session = 1, .call = 1}}}, Trial::kYes));
  DieOf(SIGSEGV, 0, first);
  Life& second = AddLife(0);

  const worker::v1::Execute again = Execute(second);

  EXPECT_FALSE(again.alone());
  second.worker->Send(InlineResult(again.call(), "done"));
  EXPECT_EQ(Await(beside).value_or(""), "done");
}

TEST_P(PoisonTest, AnAbandonedCallIsBlamedToo) {
  MakePool(1, 10);
  for (int i = 0; i < 2; ++i) {
    Life& life = AddLife(0);
    Outcome& poison = Start("poison");
    Execute(life);
    Abandon(poison);
    DieOf(SIGSEGV, 0, life);
  }
  AddLife(0);

  EXPECT_TRUE(absl::IsInvalidArgument(AwaitStatus(Start("poison"))));
}

TEST_P(PoisonTest, LackOfMemoryIsItsOwnDoing) {
  MakePool(1, 10);
  for (int i = 0; i < 2; ++i) {
    Life& life = AddLife(0);
    Outcome& large = Start("large");
    Execute(life);
    ++oom_kill_count_;
    Tick(absl::Milliseconds(1500));  // To give gigabytes back takes the kernel long.
    Die(0, life);
    EXPECT_THAT(AwaitStatus(large).message(), HasSubstr(i == 0 ? "lack of memory" : "twice"));
  }
}

TEST_P(PoisonTest, WhoLivedOnAfterAKillForLackOfMemoryIsNotBlamedForIt) {
  MakePool(1, 10);
  Life& life = AddLife(0);
  Outcome& innocent = Start("innocent");
  Execute(life);
  ++oom_kill_count_;  // Of somebody else.
  for (const uint32_t queued : {11U, 12U}) {
    Tick(OomKills::kMoment);
    worker::v1::Frame state;
    state.mutable_state()->set_queued(queued);
    life.worker->Send(state);
    ASSERT_TRUE(
        loop_.Await([&] { return runner_metrics_->replicas[0]->queued.value() == queued; }));
  }

  Die(0, life);

  EXPECT_THAT(AwaitStatus(innocent).message(), Not(HasSubstr("lack of memory")));
  EXPECT_TRUE(loop_.Do([&] { return shared_->quarantine.empty(); }));
}

class PoisonOnceOnlyTest : public PoisonTest {
 protected:
  PoisonOnceOnlyTest() : PoisonTest(NotRetrySafe()) {}
};

TEST_P(PoisonOnceOnlyTest, WhatMayHaveRunBesideATrialIsNotRunTwice) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& poison = Start("poison");
  Execute(first);
  DieOf(SIGSEGV, 0, first);
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(poison)));
  Life& second = AddLife(0);
  Outcome& again = Start("poison");
  EXPECT_TRUE(Execute(second).alone());
  Outcome& beside = Start("beside");
  Execute(second);

  DieOf(SIGSEGV, 0, second);

  EXPECT_TRUE(absl::IsInvalidArgument(AwaitStatus(again)));
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(beside)));
}

// On the stream what was sent may be lost with the worker, so that one whose result is missing
// may have executed, on whatever list it was.
TEST_P(PoisonOnceOnlyTest, WhatMayHaveBeenAnsweredIsNotRunTwice) {
  MakePool(1, 10);
  Life& first = AddLife(0);
  Outcome& call = Start("once");
  Next(first);
  Die(0, first);
  if (GetParam() == WorkerTransport::kGrpc) {
    EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(call)));
    return;
  }
  Life& second = AddLife(0);

  second.worker->Send(InlineResult(Execute(second).call(), "done"));

  EXPECT_EQ(Await(call).value_or(""), "done");
}

INSTANTIATE_TEST_SUITE_P(Carriers, PoisonTest, kTransports, TransportName);
INSTANTIATE_TEST_SUITE_P(Carriers, PoisonOnceOnlyTest, kTransports, TransportName);

}  // namespace
}  // namespace tiffin::gateway
