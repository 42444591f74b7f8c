#include "worker/runtime/batcher.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
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
    call->id = id;
    call->signature = &signature.at("run");
    call->rows = rows;
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

// A worker and its clients in virtual time: calls of several shapes and sizes come in bursts or one
// by one, some are cancelled, some have deadlines.
class Simulation {
 public:
  explicit Simulation(unsigned seed) : random_(seed) {}

  void Run() {
    for (int i = 0; i < 400; ++i) {
      const bool burst = Chance(0.7);
      now_ += absl::Microseconds(Number(0, burst ? 30 : 4000));
      Work();
      if (Chance(0.1)) Cancel();
      Arrive();
      Work();
    }
    now_ = absl::InfiniteFuture();
    Work();
    for (const auto& [call, ended] : ended_) {
      EXPECT_EQ(ended, 1) << "call " << call->id;
    }
    EXPECT_EQ(batcher_.size(), 0U);
  }
  bool waited() const { return waited_; }
  size_t largest() const { return largest_; }

 private:
  static constexpr int64_t kMaxRows = 8;

  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  int64_t Number(int64_t from, int64_t to) {
    return std::uniform_int_distribution<int64_t>(from, to)(random_);
  }

  void Arrive() {
    auto call = std::make_shared<QueuedCall>();
    call->id = next_id_++;
    call->signature = Chance(0.05) ? &single_.at("run") : &batchable_.at("run");
    call->rows = !call->signature->batchable || Chance(0.5) ? 1 : Number(1, kMaxRows + 2);
    const int64_t width = Chance(0.9) ? 4 : Number(5, 7);
    call->inputs.push_back({.dtype = DataType::kUint8, .shape = {call->rows, width}, .bytes = {}});
    call->received = now_;
    call->deadline =
        Chance(0.2) ? now_ + absl::Microseconds(Number(1, 20'000)) : absl::InfiniteFuture();
    ended_[call] = 0;
    waiting_.push_back(call);
    batcher_.Add(call, now_);
  }

  void Cancel() {
    if (waiting_.empty()) return;
    const auto call =
        waiting_[static_cast<size_t>(Number(0, static_cast<int64_t>(waiting_.size()) - 1))];
    if (!call->Take(QueuedCall::State::kDropped)) return;
    End(call);
  }

  void End(const std::shared_ptr<QueuedCall>& call) {
    ++ended_.at(call);
    std::erase(waiting_, call);
  }

  // What an idle worker does until now.
  void Work() {
    while (true) {
      const absl::Time asked = std::max(free_at_, last_event_);
      if (asked > now_) break;
      const absl::Time start_at = std::max(batcher_.StartAt(asked), asked);
      if (start_at == absl::InfiniteFuture() || start_at > now_) break;
      CheckWait(asked, start_at);
      if (start_at > asked) waited_ = true;
      // Where it was waited, it is asked again, as the queue does.
      last_event_ = start_at;
      if (batcher_.StartAt(start_at) <= start_at) Execute(start_at);
    }
    last_event_ = std::max(last_event_, now_);
  }

  void CheckWait(absl::Time asked, absl::Time start_at) {
    for (const auto& call : waiting_) {
      if (start_at == asked) continue;  // No wait.
      EXPECT_LE(start_at, call->received + kMaxDelay) << "call " << call->id;
      EXPECT_LT(start_at, call->deadline) << "expires because others are waited for";
    }
  }

  void Execute(absl::Time at) {
    const Batch batch = batcher_.Take(at);
    for (const auto& call : batch.expired) {
      EXPECT_LE(call->deadline, at);
      End(call);
    }
    if (batch.calls.empty()) return;
    int64_t rows = 0;
    for (size_t i = 0; i < batch.calls.size(); ++i) {
      const QueuedCall& call = *batch.calls[i];
      EXPECT_EQ(call.state, QueuedCall::State::kExecuting);
      EXPECT_GT(call.deadline, at);
      EXPECT_EQ(call.signature, batch.calls[0]->signature);
      EXPECT_EQ(call.inputs[0].shape[1], batch.calls[0]->inputs[0].shape[1]);
      if (i > 0) {
        EXPECT_GT(call.id, batch.calls[i - 1]->id);
      }
      rows += call.rows;
    }
    if (batch.calls.size() > 1) {
      EXPECT_LE(rows, kMaxRows);
      EXPECT_TRUE(batch.calls[0]->signature->batchable);
    }
    // So no shape starves: of all that wait, the oldest is always in the next batch.
    EXPECT_EQ(waiting_.front(), batch.calls[0]);
    largest_ = std::max(largest_, batch.calls.size());
    for (const auto& call : batch.calls) End(call);
    const absl::Duration took = absl::Microseconds(1000 + 20 * rows);
    free_at_ = at + took;
    if (batcher_.Batches(*batch.calls[0])) batcher_.Learn(*batch.calls[0], rows, took);
  }

  std::mt19937 random_;
  const Signature batchable_ = BytesSignature(/*batchable=*/true);
  const Signature single_ = BytesSignature(/*batchable=*/false);
  Batcher batcher_{{.max_batch_size = kMaxRows, .max_delay = kMaxDelay}};
  absl::Time now_ = absl::FromUnixSeconds(1000);
  absl::Time free_at_ = now_;
  absl::Time last_event_ = now_;
  uint64_t next_id_ = 1;
  std::deque<std::shared_ptr<QueuedCall>> waiting_;  // In order, without those cancelled.
  std::map<std::shared_ptr<QueuedCall>, int> ended_;
  bool waited_ = false;
  size_t largest_ = 0;
};

TEST(BatcherPropertyTest, AnySequenceOfCallsKeepsItsPromises) {
  int waited = 0;
  size_t largest = 0;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Simulation simulation(seed);
    simulation.Run();
    waited += simulation.waited() ? 1 : 0;
    largest = std::max(largest, simulation.largest());
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(waited, 10) << "the test says nothing of waiting";
  EXPECT_EQ(largest, 8U);
}

}  // namespace
}  // namespace tiffin::worker
