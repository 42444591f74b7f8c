// What the batcher promises, whatever comes.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "worker/runtime/batcher.h"

namespace tiffin::worker {
namespace {

using Policy = config::BatchingPolicy;

constexpr absl::Duration kMaxDelay = absl::Milliseconds(2);

// A worker and its clients in virtual time: calls of several shapes and sizes come in bursts or one
// by one, some are cancelled, some have deadlines.
class Simulation {
 public:
  Simulation(unsigned seed, Policy policy)
      : random_(seed),
        policy_(policy),
        batcher_({.policy = policy, .max_batch_size = kMaxRows, .max_delay = kMaxDelay}) {}

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
  int whole_windows() const { return whole_windows_; }

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

  static bool Alike(const QueuedCall& a, const QueuedCall& b) {
    return a.signature == b.signature && a.inputs[0].shape[1] == b.inputs[0].shape[1];
  }

  // A window ends early for four reasons only.
  void CheckWindow(absl::Time at) {
    if (policy_ != Policy::kFixed || waiting_.empty()) return;
    const QueuedCall& oldest = *waiting_.front();
    int64_t rows = 0;
    for (const auto& call : waiting_) {
      if (!Alike(*call, oldest) || call->deadline != absl::InfiniteFuture()) return;
      rows += call->rows;
    }
    if (rows >= kMaxRows || !oldest.signature->batchable) return;
    EXPECT_GE(at, oldest.received + kMaxDelay) << "call " << oldest.id;
    ++whole_windows_;
  }

  // Nothing of its kind was passed over, and what came next had no room.
  void CheckNothingPassedOver(const Batch& batch, int64_t rows) {
    if (!batch.calls[0]->signature->batchable) return;
    for (const auto& call : waiting_) {
      if (!Alike(*call, *batch.calls[0])) continue;
      EXPECT_GT(call->id, batch.calls.back()->id);
      EXPECT_GT(rows + call->rows, kMaxRows) << "call " << call->id;
      return;
    }
  }

  void Execute(absl::Time at) {
    CheckWindow(at);
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
      EXPECT_TRUE(Alike(call, *batch.calls[0]));
      if (i > 0) {
        EXPECT_GT(call.id, batch.calls[i - 1]->id);
      }
      rows += call.rows;
    }
    if (batch.calls.size() > 1) {
      EXPECT_LE(rows, kMaxRows);
      EXPECT_TRUE(batch.calls[0]->signature->batchable);
    }
    // So no shape starves: of all that wait for one gateway, the oldest is always in the next
    // batch.
    EXPECT_EQ(waiting_.front(), batch.calls[0]);
    largest_ = std::max(largest_, batch.calls.size());
    for (const auto& call : batch.calls) End(call);
    CheckNothingPassedOver(batch, rows);
    const absl::Duration took = absl::Microseconds(1000 + 20 * rows);
    free_at_ = at + took;
    if (batcher_.Batches(*batch.calls[0])) batcher_.Learn(*batch.calls[0], rows, took);
  }

  std::mt19937 random_;
  const Policy policy_;
  const Signature batchable_ = BytesSignature(/*batchable=*/true);
  const Signature single_ = BytesSignature(/*batchable=*/false);
  Batcher batcher_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  absl::Time free_at_ = now_;
  absl::Time last_event_ = now_;
  uint64_t next_id_ = 1;
  std::deque<std::shared_ptr<QueuedCall>> waiting_;  // In order, without those cancelled.
  std::map<std::shared_ptr<QueuedCall>, int> ended_;
  bool waited_ = false;
  int whole_windows_ = 0;
  size_t largest_ = 0;
};

class BatcherPropertyTest : public ::testing::TestWithParam<Policy> {};

TEST_P(BatcherPropertyTest, AnySequenceOfCallsKeepsItsPromises) {
  int waited = 0;
  size_t largest = 0;
  int whole_windows = 0;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Simulation simulation(seed, GetParam());
    simulation.Run();
    waited += simulation.waited() ? 1 : 0;
    largest = std::max(largest, simulation.largest());
    whole_windows += simulation.whole_windows();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(waited, 10) << "the test says nothing of waiting";
  EXPECT_EQ(largest, 8U);
  if (GetParam() == Policy::kFixed) {
    EXPECT_GT(whole_windows, 1000);
  }
}

// Six calls of two shapes that come while the worker is busy, or waits: each of them is cancelled
// at each point of that.
TEST_P(BatcherPropertyTest, ACallMayBeCancelledAtAnyPoint) {
  const Signature signature = BytesSignature(/*batchable=*/true);
  constexpr size_t kCalls = 6;
  bool cancelled_all = false;
  for (size_t point = 0; !cancelled_all; ++point) {
    cancelled_all = true;
    for (size_t cancelled = 0; cancelled < kCalls; ++cancelled) {
      SCOPED_TRACE(::testing::Message() << "call " << cancelled << " at point " << point);
      Batcher batcher({.policy = GetParam(), .max_batch_size = 2, .max_delay = kMaxDelay});
      absl::Time now = absl::FromUnixSeconds(1000);
      std::vector<std::shared_ptr<QueuedCall>> calls;
      std::optional<bool> dropped;
      size_t passed = 0;
      const auto next_point = [&] {
        if (passed++ != point || cancelled >= calls.size()) return;
        dropped = calls[cancelled]->Take(QueuedCall::State::kDropped);
      };
      std::vector<uint64_t> executed;
      const auto take = [&] {
        for (const auto& call : batcher.Take(now).calls) executed.push_back(call->id);
        next_point();
      };
      for (size_t i = 0; i < kCalls; ++i) {
        auto call = std::make_shared<QueuedCall>();
        call->id = i;
        call->signature = &signature.at("run");
        call->inputs.push_back(
            {.dtype = DataType::kUint8, .shape = {1, i % 3 == 2 ? 5 : 4}, .bytes = {}});
        call->received = now;
        call->deadline = absl::InfiniteFuture();
        calls.push_back(call);
        batcher.Add(call, now);
        next_point();
        batcher.StartAt(now);
        next_point();
        if (i % 3 == 1) take();
        now += absl::Microseconds(100);
      }
      while (batcher.StartAt(now) < absl::InfiniteFuture()) {
        next_point();
        now = std::max(now, batcher.StartAt(now));
        take();
      }

      std::sort(executed.begin(), executed.end());
      std::vector<uint64_t> expected;
      for (size_t i = 0; i < kCalls; ++i) {
        if (i != cancelled || !dropped.value_or(false)) expected.push_back(i);
      }
      EXPECT_EQ(executed, expected);
      cancelled_all = cancelled_all && passed <= point;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, BatcherPropertyTest,
                         ::testing::Values(Policy::kAdaptive, Policy::kFixed),
                         [](const auto& policy) {
                           return policy.param == Policy::kFixed ? "Fixed" : "Adaptive";
                         });

}  // namespace
}  // namespace tiffin::worker
