// Executions in the thread that brings the calls.
#include <signal.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/async/loop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"
#include "worker/runtime/executor.h"

namespace tiffin::worker {
namespace {

// Calls that come in turns of a loop, whose thread is the test's.
class SubmitHereTest : public ::testing::Test {
 protected:
  SubmitHereTest() { executor_.emplace(backend_, queue_, peer_.page(), peer_.clock()); }
  ~SubmitHereTest() override {
    gate_->Open();
    executor_.reset();
    loop_.Close();
    completions_.Shutdown();
    loop_.Run();
  }

  void Queue(uint64_t id) { queue_.Push(peer_.MakeCall(id, backend_.signature().at("run"), "in")); }
  // Sets how long an execution takes, and runs one in the model's thread.
  void TakesOnce(absl::Duration took) {
    Behave(took);
    Queue(1'000'000);
    EXPECT_EQ(NextResult().call(), 1'000'000U);
  }
  void Behave(absl::Duration took) {
    backend_.Behave([this, took](const Invocation& invocation, Outputs& outputs) {
      threads_.push_back(std::this_thread::get_id());
      EXPECT_FALSE(LastWasHere() && in_turn_);
      peer_.clock().Advance(took);
      return Identity(invocation, outputs);
    });
  }
  void Submit(const std::vector<uint64_t>& ids, const std::string& input = "in") {
    loop_.Enter([&] {
      in_turn_ = true;
      for (const uint64_t id : ids) {
        executor_->SubmitHere(peer_.MakeCall(id, backend_.signature().at("run"), input), loop_);
      }
      in_turn_ = false;
    });
  }
  // One after the other, until this thread executes one; the model's may be on its way to its next
  // wait, and takes it then. Returns the number of the last one.
  uint64_t SubmitUntilHere() {
    uint64_t id = 0;
    do {
      Submit({++id});
      EXPECT_EQ(NextResult().call(), id);
    } while (!LastWasHere() && id < 1000);
    EXPECT_TRUE(LastWasHere());
    return id;
  }
  bool LastWasHere() const { return threads_.back() == test_thread_; }
  v1::Result NextResult() { return peer_.Next().result(); }

  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // Shared with the backend.
  TestPeer peer_;
  ControlledBackend backend_{BytesSignature(), Identity};
  CallQueue queue_{peer_.clock()};
  std::optional<Executor> executor_;
  grpc::CompletionQueue completions_;
  Loop loop_{completions_, Clock::Monotonic()};
  const std::thread::id test_thread_ = std::this_thread::get_id();
  bool in_turn_ = false;                  // Of the test's thread.
  std::vector<std::thread::id> threads_;  // Of the executions; read when there is none.
};

TEST_F(SubmitHereTest, ShortExecutionsRunInTheThreadThatBringsTheCall) {
  TakesOnce(absl::Microseconds(100));
  EXPECT_FALSE(LastWasHere());

  SubmitUntilHere();
}

// Else a stack that is used up ends the process before that can be recorded.
TEST_F(SubmitHereTest, ThisThreadHasASignalStackToo) {
  TakesOnce(absl::ZeroDuration());
  std::vector<bool> has_stack;
  backend_.Behave([&](const Invocation& invocation, Outputs& outputs) {
    threads_.push_back(std::this_thread::get_id());
    stack_t stack{};
    sigaltstack(nullptr, &stack);
    has_stack.push_back((stack.ss_flags & SS_DISABLE) == 0);
    return Identity(invocation, outputs);
  });

  SubmitUntilHere();

  EXPECT_TRUE(has_stack.back());
}

TEST_F(SubmitHereTest, TheFirstExecutionIsForTheModelsThread) {
  Behave(absl::ZeroDuration());

  Submit({1});

  EXPECT_EQ(NextResult().call(), 1U);
  EXPECT_FALSE(LastWasHere());
}

TEST_F(SubmitHereTest, SoAreThoseAfterALongOneUntilItIsLongAgo) {
  TakesOnce(absl::Milliseconds(1));
  Behave(absl::ZeroDuration());

  EXPECT_GT(SubmitUntilHere(), 10U);
}

TEST_F(SubmitHereTest, SoIsTheRestOfATurnAfterALongOne) {
  TakesOnce(absl::ZeroDuration());
  SubmitUntilHere();
  Behave(absl::Milliseconds(1));

  Submit({2001, 2002});

  EXPECT_EQ(NextResult().call(), 2001U);
  EXPECT_EQ(NextResult().call(), 2002U);
  EXPECT_FALSE(LastWasHere());
}

TEST_F(SubmitHereTest, SoAreInputsThatAreMuchLarger) {
  TakesOnce(absl::ZeroDuration());
  SubmitUntilHere();

  Submit({2001}, std::string(1 << 20, 'x'));

  EXPECT_EQ(NextResult().call(), 2001U);
  EXPECT_FALSE(LastWasHere());
}

TEST_F(SubmitHereTest, SoIsWhatIsOnlySubmitted) {
  TakesOnce(absl::ZeroDuration());
  SubmitUntilHere();

  loop_.Enter(
      [&] { executor_->Submit(peer_.MakeCall(2001, backend_.signature().at("run"), "in")); });

  EXPECT_EQ(NextResult().call(), 2001U);
  EXPECT_FALSE(LastWasHere());
}

// It keeps the heartbeat, and the thread that read a frame may have left it to that one.
TEST_F(SubmitHereTest, SoIsWhatTheThreadOfTheTimersHandles) {
  TakesOnce(absl::ZeroDuration());
  SubmitUntilHere();
  LoopThread loop;
  const std::thread::id keeps_timers = loop.Do([] { return std::this_thread::get_id(); });

  for (uint64_t id = 2001; id < 2101; ++id) {
    loop.Do([&] {
      executor_->SubmitHere(peer_.MakeCall(id, backend_.signature().at("run"), "in"), loop.loop());
    });
    EXPECT_EQ(NextResult().call(), id);
    ASSERT_NE(threads_.back(), keeps_timers);
  }
}

TEST_F(SubmitHereTest, AllThatATurnBringsIsExecuted) {
  TakesOnce(absl::ZeroDuration());

  Submit({1, 2, 3});

  for (const uint64_t id : {1U, 2U, 3U}) EXPECT_EQ(NextResult().call(), id);
}

TEST_F(SubmitHereTest, WhileTheModelsThreadExecutesNobodyElseDoes) {
  TakesOnce(absl::ZeroDuration());
  backend_.Behave(IdentityBehind(gate_));
  Queue(2001);
  ASSERT_TRUE(backend_.AwaitBegun(2));

  Submit({1});

  EXPECT_TRUE(peer_.Silent());
  EXPECT_EQ(executor_->queued(), 1U);
  gate_->Open();
  EXPECT_EQ(NextResult().call(), 2001U);
  EXPECT_EQ(NextResult().call(), 1U);
}

TEST_F(SubmitHereTest, WhileThisThreadExecutesNobodyElseDoes) {
  TakesOnce(absl::ZeroDuration());
  bool queued = false;
  bool executing = false;
  bool alone = true;
  backend_.Behave([&](const Invocation& invocation, Outputs& outputs) {
    if (executing) alone = false;
    if (std::this_thread::get_id() == test_thread_) {
      executing = queued = true;
      Queue(2001);  // Which a model's thread would take.
      for (int i = 0; i < 100; ++i) std::this_thread::yield();
      executing = false;
    }
    return Identity(invocation, outputs);
  });

  for (uint64_t id = 1; id < 1000 && !queued; ++id) {
    Submit({id});
    EXPECT_EQ(NextResult().call(), id);
  }

  EXPECT_TRUE(queued);
  EXPECT_EQ(NextResult().call(), 2001U);
  EXPECT_TRUE(alone);
}

TEST_F(SubmitHereTest, ABackendWithSeveralThreadsExecutesInThose) {
  ControlledBackend pair(
      BytesSignature(),
      [this](const Invocation& invocation, Outputs& outputs) {
        threads_.push_back(std::this_thread::get_id());
        return Identity(invocation, outputs);
      },
      /*concurrency=*/2);
  CallQueue queue(peer_.clock());
  Executor executor(pair, queue, peer_.page(), peer_.clock());

  for (const uint64_t id : {1U, 2U, 3U}) {
    loop_.Enter(
        [&] { executor.SubmitHere(peer_.MakeCall(id, pair.signature().at("run"), "in"), loop_); });
    EXPECT_EQ(NextResult().call(), id);
    EXPECT_FALSE(LastWasHere());
  }
}

}  // namespace
}  // namespace tiffin::worker
