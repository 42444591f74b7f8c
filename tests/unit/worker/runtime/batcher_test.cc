#include "worker/runtime/batcher.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/controlled_backend.h"

namespace tiffin::worker {
namespace {

using Policy = config::BatchingPolicy;
using config::BatchingConfig;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kMaxDelay = absl::Milliseconds(2);

class BatcherTest : public ::testing::Test {
 protected:
  explicit BatcherTest(Policy policy = Policy::kAdaptive)
      : batcher_({.policy = policy, .max_batch_size = 8, .max_delay = kMaxDelay}) {}

  std::shared_ptr<QueuedCall> Add(uint64_t id, int64_t rows = 1, int64_t width = 4) {
    return Add(batchable_, id, rows, width);
  }
  std::shared_ptr<QueuedCall> Add(const Signature& signature, uint64_t id, int64_t rows,
                                  int64_t width) {
    auto call = std::make_shared<QueuedCall>();
    call->gateway = gateway_;
    call->id = id;
    call->signature = &signature.at("run");
    call->rows = rows;
    call->alone = alone_;
    call->inputs.push_back({.dtype = DataType::kUint8, .shape = {rows, width}, .bytes = {}});
    call->received = now_;
    call->deadline = absl::InfiniteFuture();
    batcher_.Add(call, now_);
    return call;
  }
  std::vector<uint64_t> Take() {
    std::vector<uint64_t> ids;
    for (const auto& call : batcher_.Take(now_).calls) ids.push_back(call->id);
    return ids;
  }
  bool StartsNow() { return batcher_.StartAt(now_) <= now_; }

  // Bursts of single rows to a model that takes 1 ms an execution: one more is worth waiting for.
  void LearnThatWaitingPays() {
    for (uint64_t burst = 0; burst < 20; ++burst) {
      const auto call = Add(0);
      for (uint64_t i = 0; i < 6; ++i) {
        now_ += absl::Microseconds(5);
        Add(0);
      }
      batcher_.Learn(*call, 1 + static_cast<int64_t>(burst % 4), absl::Milliseconds(1));
      now_ += absl::Milliseconds(20);
      while (!Take().empty()) {
      }
    }
  }

  const Signature batchable_ = BytesSignature(/*batchable=*/true);
  const Signature single_ = BytesSignature(/*batchable=*/false);
  bool alone_ = false;
  uint64_t gateway_ = 1;  // Whose the calls are.
  absl::Time now_ = absl::FromUnixSeconds(1000);
  Batcher batcher_;
};

TEST_F(BatcherTest, WhatWaitsRunsTogetherInOrder) {
  for (const uint64_t id : {1, 2, 3}) Add(id);
  EXPECT_EQ(batcher_.size(), 3U);

  EXPECT_THAT(Take(), ElementsAre(1, 2, 3));

  EXPECT_EQ(batcher_.size(), 0U);
  EXPECT_EQ(batcher_.StartAt(now_), absl::InfiniteFuture());
}

TEST_F(BatcherTest, RowsAreCountedAndNotCalls) {
  Add(1, 3);
  Add(2, 3);
  Add(3, 3);
  Add(4, 1);

  EXPECT_THAT(Take(), ElementsAre(1, 2)) << "4 would fit, but 3 came first";
  EXPECT_THAT(Take(), ElementsAre(3, 4));
}

TEST_F(BatcherTest, ACallWithMoreRowsThanABatchRunsAlone) {
  Add(1, 2);
  Add(2, 9);
  Add(3, 2);

  EXPECT_THAT(Take(), ElementsAre(1));
  EXPECT_THAT(Take(), ElementsAre(2));
  EXPECT_THAT(Take(), ElementsAre(3));
}

TEST_F(BatcherTest, InputsOfOtherShapesRunApartTheOldestFirst) {
  Add(1, 1, 4);
  Add(2, 1, 5);
  Add(3, 1, 4);
  Add(4, 1, 5);

  EXPECT_THAT(Take(), ElementsAre(1, 3));
  EXPECT_THAT(Take(), ElementsAre(2, 4));
}

TEST_F(BatcherTest, OtherMethodsRunApart) {
  const Signature other = batchable_;
  Add(1);
  Add(other, 2, 1, 4);
  Add(3);

  EXPECT_THAT(Take(), ElementsAre(1, 3));
  EXPECT_THAT(Take(), ElementsAre(2));
}

TEST_F(BatcherTest, CallsOfMethodsThatAreNotBatchableRunAloneAndInOrder) {
  Add(single_, 1, 1, 4);
  Add(single_, 2, 1, 4);
  Add(3);
  Add(single_, 4, 1, 4);
  Add(5);

  EXPECT_THAT(Take(), ElementsAre(1));
  EXPECT_THAT(Take(), ElementsAre(2));
  EXPECT_THAT(Take(), ElementsAre(3, 5));
  EXPECT_THAT(Take(), ElementsAre(4));
}

TEST_F(BatcherTest, CallsThatMustNotRunTwiceRunAlone) {
  Signature unsafe = batchable_;
  unsafe.at("run").retry_safe = false;
  Add(unsafe, 1, 1, 4);
  Add(unsafe, 2, 1, 4);

  EXPECT_TRUE(StartsNow());
  EXPECT_THAT(Take(), ElementsAre(1));
  EXPECT_THAT(Take(), ElementsAre(2));
}

TEST_F(BatcherTest, ACallThatIsToBeAloneSharesNoBatch) {
  Add(1);
  alone_ = true;
  Add(2);
  Add(3);
  alone_ = false;
  Add(4);

  EXPECT_THAT(Take(), ElementsAre(1, 4)) << "4 joins 1, which is older than the others";
  EXPECT_THAT(Take(), ElementsAre(2));
  EXPECT_THAT(Take(), ElementsAre(3));
}

TEST_F(BatcherTest, GatewaysTakeTurns) {
  for (const uint64_t id : {1, 2, 3, 4}) Add(single_, id, 1, 4);
  gateway_ = 2;
  for (const uint64_t id : {11, 12}) Add(single_, id, 1, 4);

  for (const uint64_t id : {1, 11, 2, 12, 3, 4}) EXPECT_THAT(Take(), ElementsAre(id));
}

TEST_F(BatcherTest, ABatchHasTheNextCallsOfEachGateway) {
  for (uint64_t id = 1; id <= 10; ++id) Add(id);
  gateway_ = 2;
  Add(11, 2);
  Add(12);

  EXPECT_THAT(Take(), ElementsAre(1, 11, 2, 3, 12, 4, 5));
  EXPECT_THAT(Take(), ElementsAre(6, 7, 8, 9, 10));
}

TEST_F(BatcherTest, OfTheGatewayThatIsNextTheOldestCallSaysWhichShape) {
  for (const uint64_t id : {1, 2, 3}) Add(id, 8, 4);
  gateway_ = 2;
  Add(11, 1, 5);
  Add(12, 1, 4);

  EXPECT_THAT(Take(), ElementsAre(1));
  EXPECT_THAT(Take(), ElementsAre(11));
  EXPECT_THAT(Take(), ElementsAre(12)) << "2 has no room in it";
  EXPECT_THAT(Take(), ElementsAre(2));
}

TEST_F(BatcherTest, WhatExpiredOrWasCancelledTakesNoTurn) {
  for (const uint64_t id : {1, 2}) Add(single_, id, 1, 4)->deadline = now_;
  for (const uint64_t id : {3, 4}) {
    ASSERT_TRUE(Add(single_, id, 1, 4)->Take(QueuedCall::State::kDropped));
  }
  for (const uint64_t id : {5, 6}) Add(single_, id, 1, 4);
  gateway_ = 2;
  for (const uint64_t id : {11, 12}) Add(single_, id, 1, 4);

  for (const uint64_t id : {5, 11, 6, 12}) EXPECT_THAT(Take(), ElementsAre(id));
}

// Its rows fill what would stay empty; that is not to be paid for by waiting later.
TEST_F(BatcherTest, WhoFillsOthersBatchesForLongIsNotPutOffForLong) {
  uint64_t id = 0;
  const auto add = [&](uint64_t gateway, const Signature& signature) {
    gateway_ = gateway;
    Add(signature, ++id, 1, 4);
  };
  add(2, single_);  // It always has one more waiting.
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 16; ++i) add(1, batchable_);
    add(2, batchable_);
    add(2, single_);
    Take();
    Take();
  }
  for (int i = 0; i < 1000; ++i) add(2, single_);
  gateway_ = 3;
  const uint64_t newcomer = ++id;
  Add(single_, newcomer, 1, 4);

  int executions = 0;
  std::optional<int> first_of_newcomer;
  std::optional<int> first_of_one;
  while (!first_of_newcomer.has_value() || !first_of_one.has_value()) {
    ++executions;
    for (const auto& call : batcher_.Take(now_).calls) {
      if (call->gateway == 1 && !first_of_one.has_value()) first_of_one = executions;
      if (call->id == newcomer) first_of_newcomer = executions;
    }
    ASSERT_LE(executions, 20);
  }
  EXPECT_LE(*first_of_newcomer, 3);
}

TEST_F(BatcherTest, SwitchedOffOrWithABatchSizeOfOneEveryCallRunsAlone) {
  for (const BatchingConfig& config :
       {BatchingConfig{.policy = Policy::kOff}, BatchingConfig{.max_batch_size = 1},
        BatchingConfig{.policy = Policy::kFixed, .max_batch_size = 1}}) {
    Batcher alone(config);
    for (const uint64_t id : {1, 2}) alone.Add(Add(id), now_);
    EXPECT_EQ(alone.StartAt(now_), now_);
    EXPECT_EQ(alone.Take(now_).calls.size(), 1U);
    EXPECT_EQ(alone.Take(now_).calls.size(), 1U);
  }
}

TEST_F(BatcherTest, DroppedCallsAreLeftOut) {
  const auto first = Add(1);
  Add(2);
  const auto large = Add(3, 8);
  Add(4);
  ASSERT_TRUE(first->Take(QueuedCall::State::kDropped));
  ASSERT_TRUE(large->Take(QueuedCall::State::kDropped));

  EXPECT_THAT(Take(), ElementsAre(2, 4));
  EXPECT_EQ(batcher_.size(), 0U);
}

TEST_F(BatcherTest, NothingStartsWhenAllWereDropped) {
  const auto call = Add(1);
  ASSERT_TRUE(call->Take(QueuedCall::State::kDropped));

  EXPECT_EQ(batcher_.StartAt(now_), absl::InfiniteFuture());
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(BatcherTest, ExpiredCallsAreHandedOutToBeAnswered) {
  const auto expiring = Add(1);
  expiring->deadline = now_ + absl::Milliseconds(1);
  Add(2);
  now_ += absl::Milliseconds(1);

  const Batch batch = batcher_.Take(now_);

  EXPECT_THAT(batch.expired, ElementsAre(expiring));
  EXPECT_EQ(expiring->state, QueuedCall::State::kDropped);
  ASSERT_EQ(batch.calls.size(), 1U);
  EXPECT_EQ(batch.calls[0]->id, 2U);
}

TEST_F(BatcherTest, AfterAnExpiredCallTheOldestOfAllIsNext) {
  const auto expiring = Add(1, 1, 4);
  expiring->deadline = now_;
  Add(2, 1, 5);
  Add(3, 1, 4);

  EXPECT_THAT(Take(), ElementsAre(2));
  EXPECT_THAT(Take(), ElementsAre(3));
}

TEST_F(BatcherTest, AnIdleWorkerStartsAtOnceWhatItKnowsNothingOf) {
  Add(1);
  EXPECT_TRUE(StartsNow());
}

TEST_F(BatcherTest, WaitsWhereThatPaysAndOnlyThere) {
  LearnThatWaitingPays();

  Add(1);
  const absl::Time start_at = batcher_.StartAt(now_);
  EXPECT_GT(start_at, now_);
  EXPECT_LE(start_at, now_ + kMaxDelay);

  now_ = start_at;
  EXPECT_TRUE(StartsNow()) << "none came";
}

TEST_F(BatcherTest, AFullBatchStartsAtOnce) {
  LearnThatWaitingPays();
  Add(1, 7);
  EXPECT_FALSE(StartsNow());
  Add(2, 1);
  EXPECT_TRUE(StartsNow());
}

TEST_F(BatcherTest, NobodyWaitsForThoseOfAnotherShape) {
  LearnThatWaitingPays();
  Add(1);
  EXPECT_FALSE(StartsNow());
  Add(2, 1, 5);
  EXPECT_TRUE(StartsNow());
}

TEST_F(BatcherTest, NobodyWaitsLongerThanTheDelay) {
  LearnThatWaitingPays();
  const auto call = Add(1);
  call->received = now_ - kMaxDelay;  // While the worker was busy.
  EXPECT_TRUE(StartsNow());
}

TEST_F(BatcherTest, NobodyExpiresBecauseOthersAreWaitedFor) {
  LearnThatWaitingPays();
  Add(1);
  const auto urgent = Add(2);
  EXPECT_FALSE(StartsNow());
  urgent->deadline = now_ + absl::Microseconds(2010);  // An execution takes 1 ms.
  EXPECT_LT(batcher_.StartAt(now_), now_ + absl::Microseconds(11));
}

TEST_F(BatcherTest, WithAnotherIdleThreadNobodyWaits) {
  LearnThatWaitingPays();
  Add(1);
  EXPECT_FALSE(StartsNow());
  EXPECT_LE(batcher_.StartAt(now_, /*idle_threads=*/2), now_);
}

class FixedWindowTest : public BatcherTest {
 protected:
  FixedWindowTest() : BatcherTest(Policy::kFixed) {}
};

TEST_F(FixedWindowTest, ABatchStartsWhenItsOldestCallHasWaitedForTheDelay) {
  Add(1);
  const absl::Time start_at = now_ + kMaxDelay;
  EXPECT_EQ(batcher_.StartAt(now_), start_at);
  now_ += kMaxDelay / 2;
  Add(2);
  EXPECT_EQ(batcher_.StartAt(now_), start_at);
  EXPECT_EQ(batcher_.StartAt(now_, /*idle_threads=*/2), start_at);

  now_ = start_at;
  EXPECT_TRUE(StartsNow());
  EXPECT_THAT(Take(), ElementsAre(1, 2));
}

TEST_F(FixedWindowTest, OrWhenItIsFull) {
  Add(1, 7);
  EXPECT_FALSE(StartsNow());
  Add(2, 1);
  EXPECT_TRUE(StartsNow());
}

TEST_F(FixedWindowTest, OrWhenACallOfAnotherShapeComes) {
  Add(1);
  EXPECT_FALSE(StartsNow());
  Add(2, 1, 5);
  EXPECT_TRUE(StartsNow());
  EXPECT_THAT(Take(), ElementsAre(1));
  EXPECT_FALSE(StartsNow()) << "2 has its own window";
}

TEST_F(FixedWindowTest, OrBeforeACallWouldExpire) {
  Add(1)->deadline = now_ + absl::Microseconds(1500);
  EXPECT_LE(batcher_.StartAt(now_), now_ + absl::Microseconds(500));
}

TEST_F(FixedWindowTest, WhatCameWhileTheWorkerWasBusyHasWaitedAlready) {
  Add(1);
  now_ += kMaxDelay;
  EXPECT_TRUE(StartsNow());
}

// By another thread, while the batcher looks at it: who waits for a time that never comes would
// never look again.
TEST_F(FixedWindowTest, ACallThatIsCancelledAtAnyMomentHoldsNobodyUp) {
  std::vector<std::shared_ptr<QueuedCall>> calls;  // All of them live until the end.
  std::atomic<QueuedCall*> next = nullptr;
  std::atomic<bool> ended = false;
  std::thread canceller([&] {
    while (!ended) {
      if (QueuedCall* const call = next.exchange(nullptr); call != nullptr) {
        call->Take(QueuedCall::State::kDropped);
      }
    }
  });
  for (uint64_t id = 1; id <= 50'000; ++id) {
    calls.push_back(Add(id));
    next = calls.back().get();
    for (std::atomic<uint64_t> moment = id % 256; moment > 0; --moment) {
    }
    const absl::Time start = batcher_.StartAt(now_);
    if (start == absl::InfiniteFuture()) {
      EXPECT_EQ(batcher_.size(), 0U);
    }
    calls.back()->Take(QueuedCall::State::kDropped);
    EXPECT_THAT(Take(), IsEmpty());
  }
  ended = true;
  canceller.join();
}

TEST_F(FixedWindowTest, CallsThatAreNotBatchedStartAtOnce) {
  Add(single_, 1, 1, 4);
  EXPECT_TRUE(StartsNow());
}

TEST_F(BatcherTest, ShapesThatNeverComeBackAreForgotten) {
  for (int64_t width = 1; width <= 10'000; ++width) {
    Add(1, 1, width);
    ASSERT_THAT(Take(), ElementsAre(1));
  }
  LearnThatWaitingPays();  // Of one among 64 others.
  Add(1);
  EXPECT_FALSE(StartsNow());
}

}  // namespace
}  // namespace tiffin::worker
