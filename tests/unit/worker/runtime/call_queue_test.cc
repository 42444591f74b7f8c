#include "worker/runtime/call_queue.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/asked_clock.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"

namespace tiffin::worker {
namespace {

std::shared_ptr<QueuedCall> CallNumber(uint64_t id) {
  auto call = std::make_shared<QueuedCall>();
  call->id = id;
  call->deadline = absl::InfiniteFuture();
  return call;
}

TEST(CallQueueTest, GivesCallsInTheOrderTheyCame) {
  CallQueue queue(Clock::Monotonic());
  for (uint64_t id = 1; id <= 3; ++id) queue.Push(CallNumber(id));
  EXPECT_EQ(queue.size(), 3U);

  for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(queue.Pop()->calls.at(0)->id, id);

  EXPECT_EQ(queue.size(), 0U);
}

TEST(CallQueueTest, PopWaitsForACall) {
  CallQueue queue(Clock::Monotonic());
  std::atomic<uint64_t> popped = 0;
  std::thread model([&] { popped = queue.Pop()->calls.at(0)->id; });
  EXPECT_EQ(popped, 0U);

  queue.Push(CallNumber(5));
  model.join();

  EXPECT_EQ(popped, 5U);
}

TEST(CallQueueTest, CloseEndsAWaitingPop) {
  CallQueue queue(Clock::Monotonic());
  std::optional<Batch> popped = Batch{};
  std::thread model([&] { popped = queue.Pop(); });

  queue.Close();
  model.join();

  EXPECT_EQ(popped.has_value(), false);
}

TEST(CallQueueTest, WhatWasQueuedBeforeCloseIsStillTaken) {
  CallQueue queue(Clock::Monotonic());
  queue.Push(CallNumber(1));
  queue.Close();

  ASSERT_TRUE(queue.Pop().has_value());
  EXPECT_FALSE(queue.Pop().has_value());
}

TEST(CallQueueTest, WhatIsHeldIsForTheThreadThatHoldsIt) {
  constexpr uint64_t kMeanwhile = 5000;
  CallQueue queue(Clock::Monotonic());
  std::atomic<bool> done = false;
  bool popped_after_done = false;
  std::thread model([&] {
    while (const std::optional<Batch> batch = queue.Pop()) {
      if (batch->calls.at(0)->id == kMeanwhile) popped_after_done = done;
    }
  });
  // Who is not in Pop executes, and then nothing is taken here.
  std::optional<Batch> here;
  for (uint64_t id = 1; id <= 1000 && !here.has_value(); ++id) {
    queue.Hold();
    queue.Push(CallNumber(id));
    here = queue.TakeHere();
    while (!here.has_value() && queue.size() > 0) std::this_thread::yield();
  }
  ASSERT_TRUE(here.has_value());

  queue.Push(CallNumber(kMeanwhile));
  done = true;
  queue.Done();
  queue.Close();
  model.join();

  EXPECT_TRUE(popped_after_done);
}

TEST(CallQueueTest, AnUnheldCallIsForTheOthers) {
  CallQueue queue(Clock::Monotonic());
  std::atomic<uint64_t> popped = 0;
  std::thread model([&] { popped = queue.Pop()->calls.at(0)->id; });
  queue.Hold();
  queue.Push(CallNumber(1));

  queue.Unhold();

  model.join();
  EXPECT_EQ(popped, 1U);
}

TEST(CallQueueTest, NothingIsTakenHereWhileNoThreadIsIdle) {
  CallQueue queue(Clock::Monotonic());
  queue.Hold();
  queue.Push(CallNumber(1));

  EXPECT_FALSE(queue.TakeHere().has_value());

  EXPECT_EQ(queue.Pop()->calls.at(0)->id, 1U);
}

TEST(CallQueueTest, CloseEndsAHold) {
  CallQueue queue(Clock::Monotonic());
  queue.Hold();
  queue.Push(CallNumber(1));
  queue.Close();

  EXPECT_TRUE(queue.Pop().has_value());
  EXPECT_FALSE(queue.Pop().has_value());
}

// A queue whose calls come in bursts, for a model that takes 1 ms an execution.
class WaitingQueueTest : public ::testing::Test {
 protected:
  explicit WaitingQueueTest(config::BatchingPolicy policy = config::BatchingPolicy::kAdaptive)
      : queue_(clock_,
               {.policy = policy, .max_batch_size = 8, .max_delay = absl::Milliseconds(2)}) {
    for (int64_t burst = 0; burst < 20; ++burst) {
      for (int i = 0; i < 8; ++i) {
        clock_.Advance(absl::Microseconds(5));
        Push();
      }
      queue_.Learn(*queue_.Pop()->calls.front(), 1 + burst % 4, absl::Milliseconds(1));
      clock_.Advance(absl::Milliseconds(20));
    }
  }
  ~WaitingQueueTest() override { queue_.Close(); }

  void Push() {
    auto call = CallNumber(1);
    call->signature = &signature_.at("run");
    call->inputs.push_back({.dtype = DataType::kUint8, .shape = {1, 1}, .bytes = {}});
    call->received = clock_.Now();
    queue_.Push(std::move(call));
  }
  // Pops on a thread of its own, and returns when that waits for more than the call there is.
  std::thread PopThatWaits() {
    Push();
    std::thread model([this] { popped_ = queue_.Pop(); });
    clock_.Await(1);
    EXPECT_EQ(queue_.size(), 1U) << "did not wait";
    return model;
  }

  const Signature signature_ = BytesSignature(/*batchable=*/true);
  AskedClock clock_;
  CallQueue queue_;
  std::optional<Batch> popped_;
};

TEST_F(WaitingQueueTest, AFullBatchEndsTheWait) {
  std::thread model = PopThatWaits();
  for (int i = 0; i < 7; ++i) Push();
  model.join();

  EXPECT_EQ(popped_->calls.size(), 8U);
}

TEST_F(WaitingQueueTest, SoDoesTime) {
  std::thread model = PopThatWaits();
  clock_.Advance(absl::Milliseconds(2));
  model.join();

  EXPECT_EQ(popped_->calls.size(), 1U);
  EXPECT_EQ(popped_->waited, absl::Milliseconds(2));
}

TEST_F(WaitingQueueTest, SoDoesAnotherIdleThread) {
  std::thread model = PopThatWaits();

  const std::optional<Batch> batch = queue_.Pop();

  EXPECT_EQ(batch->calls.size(), 1U);
  EXPECT_EQ(batch->waited, absl::ZeroDuration());
  queue_.Close();
  model.join();
  EXPECT_FALSE(popped_.has_value());
}

TEST_F(WaitingQueueTest, SoDoesCloseAndTheCallIsStillTaken) {
  std::thread model = PopThatWaits();
  queue_.Close();
  model.join();

  EXPECT_EQ(popped_->calls.size(), 1U);
}

class FixedWindowQueueTest : public WaitingQueueTest {
 protected:
  FixedWindowQueueTest() : WaitingQueueTest(config::BatchingPolicy::kFixed) {}
};

TEST_F(FixedWindowQueueTest, EveryIdleThreadWaitsForTheWindow) {
  std::thread model = PopThatWaits();
  std::optional<Batch> other;
  std::thread second([&] { other = queue_.Pop(); });
  clock_.Await(1);
  EXPECT_EQ(queue_.size(), 1U) << "did not wait";

  for (int i = 0; i < 15; ++i) Push();
  model.join();
  second.join();

  EXPECT_EQ(popped_->calls.size(), 8U);
  EXPECT_EQ(other->calls.size(), 8U);
}

TEST_F(FixedWindowQueueTest, WhoTakesTheBatchHereIsToldOfTheWait) {
  std::thread model = PopThatWaits();
  clock_.Advance(absl::Milliseconds(1));
  queue_.Hold();
  for (int i = 0; i < 7; ++i) Push();

  const std::optional<Batch> here = queue_.TakeHere();

  ASSERT_TRUE(here.has_value());
  EXPECT_EQ(here->calls.size(), 8U);
  EXPECT_EQ(here->waited, absl::Milliseconds(1));
  queue_.Done();
  queue_.Close();
  model.join();
}

TEST(QueuedCallTest, OnlyOneMayTakeACall) {
  for (int round = 0; round < 200; ++round) {
    QueuedCall call;
    std::atomic<int> takers = 0;
    std::vector<std::thread> threads;
    for (const auto to : {QueuedCall::State::kExecuting, QueuedCall::State::kDropped}) {
      threads.emplace_back([&, to] {
        if (call.Take(to)) ++takers;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(takers, 1);
  }
}

TEST(EndCallTest, SendsTheStatusAndForgetsTheCall) {
  TestPeer peer;
  const Signature signature = BytesSignature();
  const auto call = peer.MakeCall(11, signature.at("run"), "x");

  EndCall(*call, absl::CancelledError("no more"));

  const v1::Frame frame = peer.Next();
  EXPECT_EQ(frame.result().call(), 11U);
  EXPECT_EQ(frame.result().code(), static_cast<uint32_t>(absl::StatusCode::kCancelled));
  EXPECT_EQ(frame.result().message(), "no more");
  EXPECT_EQ(frame.result().outputs_size(), 0);
  EXPECT_EQ(peer.peer()->FindCall(11), nullptr);
}

}  // namespace
}  // namespace tiffin::worker
