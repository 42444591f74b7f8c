#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/asked_clock.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"
#include "worker/runtime/executor.h"

namespace tiffin::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// A batchable method, behind a gate until calls wait.
class BatchTest : public ::testing::Test {
 protected:
  BatchTest() { executor_.emplace(backend_, queue_, peer_.page(), peer_.clock()); }
  ~BatchTest() override {
    gate_->Open();
    executor_.reset();
  }

  std::shared_ptr<QueuedCall> Queue(TestPeer& peer, uint64_t id, const std::string& input) {
    auto call = peer.MakeCall(id, backend_.signature().at("run"), input);
    call->inputs.front().shape = {1, static_cast<int64_t>(input.size())};
    queue_.Push(call);
    return call;
  }
  std::shared_ptr<QueuedCall> Queue(uint64_t id, const std::string& input) {
    return Queue(peer_, id, input);
  }
  void Occupy() {
    Queue(100, "occupies");
    ASSERT_TRUE(backend_.AwaitBegun(1));
  }
  v1::Result NextResult() { return peer_.Next().result(); }

  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // Shared with the backend.
  TestPeer peer_;
  ControlledBackend backend_{BytesSignature(/*batchable=*/true), IdentityBehind(gate_)};
  CallQueue queue_{peer_.clock(), {.max_batch_size = 8}};
  std::optional<Executor> executor_;
};

TEST_F(BatchTest, WhatWaitedRunsAsOneExecution) {
  Occupy();
  for (const uint64_t id : {1U, 2U, 3U}) Queue(id, StrCat("in", id));

  gate_->Open();

  EXPECT_EQ(NextResult().call(), 100U);
  for (const uint64_t id : {1U, 2U, 3U}) {
    const v1::Result result = NextResult();
    EXPECT_EQ(result.call(), id);
    EXPECT_EQ(result.outputs(0).inline_bytes(), StrCat("in", id));
    EXPECT_EQ(result.outputs(0).shape(0), 1);
    EXPECT_EQ(peer_.peer()->FindCall(id), nullptr);
  }
  ASSERT_EQ(backend_.executions().size(), 2U);
  EXPECT_EQ(backend_.executions()[1].rows, 3);
  EXPECT_EQ(backend_.executions()[1].first_input, "in1in2in3");
}

TEST_F(BatchTest, CountsTheCallsThatExecute) {
  Occupy();
  auto second = std::make_shared<Gate>();
  backend_.Behave(IdentityBehind(second));
  for (const uint64_t id : {1U, 2U, 3U}) Queue(id, "in");
  gate_->Open();
  ASSERT_TRUE(backend_.AwaitBegun(2));

  EXPECT_EQ(executor_->executing(), 3);

  second->Open();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(NextResult().code(), 0U);
}

TEST_F(BatchTest, OneBadRowFailsAloneAfterTheBatch) {
  Occupy();
  const auto fails_on_bad = [](const Invocation& invocation, Outputs& outputs) {
    const std::string_view input = AsStringView(invocation.inputs.front().bytes);
    if (input.find("bad") != input.npos) return absl::InvalidArgumentError("a bad row");
    return Identity(invocation, outputs);
  };
  backend_.Behave(fails_on_bad);
  Queue(1, "one");
  Queue(2, "bad");
  Queue(3, "two");

  gate_->Open();

  EXPECT_EQ(NextResult().call(), 100U);
  const v1::Result first = NextResult();
  EXPECT_EQ(first.call(), 1U);
  EXPECT_EQ(first.outputs(0).inline_bytes(), "one");
  const v1::Result bad = NextResult();
  EXPECT_EQ(bad.call(), 2U);
  EXPECT_EQ(bad.code(), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(bad.message(), "a bad row");
  const v1::Result last = NextResult();
  EXPECT_EQ(last.call(), 3U);
  EXPECT_EQ(last.outputs(0).inline_bytes(), "two");
  EXPECT_EQ(backend_.executions().size(), 1U + 1U + 3U);
}

TEST_F(BatchTest, ABatchOfOneIsNotRunAgain) {
  Occupy();
  backend_.Behave([](const Invocation&, Outputs&) { return absl::InternalError("broken"); });
  Queue(1, "x");
  gate_->Open();

  EXPECT_EQ(NextResult().call(), 100U);
  EXPECT_EQ(NextResult().message(), "broken");
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_F(BatchTest, IsAbandonedOnceAllItsCallsAreAndThenNotRunAgain) {
  Occupy();
  std::vector<std::shared_ptr<QueuedCall>> calls;
  std::vector<bool> answers;
  backend_.Behave([&](const Invocation& invocation, Outputs&) {
    answers.push_back(invocation.abandoned());
    calls[0]->cancelled = true;
    answers.push_back(invocation.abandoned());
    peer_.clock().Advance(absl::Seconds(2));  // Beyond the other's deadline.
    answers.push_back(invocation.abandoned());
    return absl::CancelledError("stopped");
  });
  calls = {Queue(1, "in"), Queue(2, "in")};
  calls[1]->deadline = peer_.clock().Now() + absl::Seconds(1);

  gate_->Open();

  EXPECT_EQ(NextResult().call(), 100U);
  for (const uint64_t id : {1U, 2U}) {
    const v1::Result result = NextResult();
    EXPECT_EQ(result.call(), id);
    EXPECT_EQ(result.message(), "stopped");
  }
  EXPECT_THAT(answers, ElementsAre(false, false, true));
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_F(BatchTest, ACallCancelledInAFailedBatchIsNotRunAgain) {
  Occupy();
  std::shared_ptr<QueuedCall> cancelled;
  backend_.Behave([&](const Invocation& invocation, Outputs& outputs) {
    if (invocation.rows == 1) return Identity(invocation, outputs);
    cancelled->cancelled = true;
    return absl::InternalError("together it fails");
  });
  cancelled = Queue(1, "in");
  Queue(2, "in");

  gate_->Open();

  EXPECT_EQ(NextResult().call(), 100U);
  EXPECT_EQ(NextResult().code(), static_cast<uint32_t>(absl::StatusCode::kCancelled));
  EXPECT_EQ(NextResult().code(), 0U);
  EXPECT_EQ(backend_.executions().size(), 1U + 1U + 1U);
}

TEST_F(BatchTest, CallsOfSeveralSessionsRunTogether) {
  TestPeer other;
  Occupy();
  Queue(1, "mine");
  Queue(other, 1, "your");
  Queue(2, "next");

  gate_->Open();

  for (const char* expected : {"occupies", "mine", "next"}) {
    EXPECT_EQ(NextResult().outputs(0).inline_bytes(), expected);
  }
  EXPECT_EQ(other.Next().result().outputs(0).inline_bytes(), "your");
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_F(BatchTest, SeveralThreadsTakeBatchesFromOneQueue) {
  ControlledBackend pair(BytesSignature(/*batchable=*/true), IdentityBehind(gate_),
                         /*concurrency=*/2);
  CallQueue queue(peer_.clock(), {.max_batch_size = 3});
  Executor executor(pair, queue, peer_.page(), peer_.clock());
  const auto push = [&](uint64_t id) {
    auto call = peer_.MakeCall(id, pair.signature().at("run"), "in");
    call->inputs.front().shape = {1, 2};
    queue.Push(call);
  };
  push(1);
  ASSERT_TRUE(pair.AwaitBegun(1));
  push(2);
  ASSERT_TRUE(pair.AwaitBegun(2)) << "an idle thread waits for others";
  for (uint64_t id = 3; id <= 8; ++id) push(id);

  gate_->Open();

  std::vector<uint64_t> ended;
  for (int i = 0; i < 8; ++i) ended.push_back(NextResult().call());
  EXPECT_THAT(ended, UnorderedElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  std::vector<int64_t> rows;
  for (const Execution& execution : pair.executions()) rows.push_back(execution.rows);
  EXPECT_THAT(rows, ElementsAre(1, 1, 3, 3));
}

TEST_F(BatchTest, TheTimesTellTheWaitForOthersApart) {
  gate_->Open();
  AskedClock clock;
  CallQueue queue(clock, {.max_batch_size = 2, .max_delay = absl::Milliseconds(5)});
  uint64_t next_id = 1;
  const auto push = [&] {
    auto call = peer_.MakeCall(next_id++, backend_.signature().at("run"), "in");
    call->inputs.front().shape = {1, 2};
    call->received = clock.Now() - absl::Milliseconds(1);
    queue.Push(call);
    return call;
  };
  // Calls come in pairs, 2 ms apart, and an execution costs 10 ms: a second is worth waiting for,
  // also when it is asked again just before it comes.
  for (int64_t i = 0; i < 20; ++i) {
    queue.Learn(*push(), 1 + i % 2, absl::Milliseconds(10));
    clock.Advance(absl::Milliseconds(2));
    push();
    ASSERT_EQ(queue.Pop()->calls.size(), 2U);
    clock.Advance(absl::Milliseconds(20));
  }
  push();
  Executor executor(backend_, queue, peer_.page(), clock);
  clock.Await(1);
  ASSERT_EQ(queue.size(), 1U) << "did not wait";
  clock.Advance(absl::Milliseconds(2));
  push();

  const v1::Result waited = NextResult();
  EXPECT_EQ(waited.queue_us(), 1000U);
  EXPECT_EQ(waited.batch_us(), 2000U);
  EXPECT_EQ(waited.executed_rows(), 2U);
  const v1::Result joined = NextResult();
  EXPECT_EQ(joined.queue_us(), 0U);
  EXPECT_EQ(joined.batch_us(), 1000U) << "it came a millisecond ago";
  EXPECT_EQ(joined.executed_rows(), 0U) << "one execution would count twice";
}

TEST_F(BatchTest, RandomCallsOfAllShapesGetTheirOwnRowsBack) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto number = [&](int from, int to) {
      return std::uniform_int_distribution<int>(from, to)(random);
    };
    auto gate = std::make_shared<Gate>();
    ControlledBackend backend(BytesSignature(/*batchable=*/true), IdentityBehind(gate),
                              number(1, 3));
    TestPeer peers[2];
    CallQueue queue(peers[0].clock(),
                    {.policy = number(0, 1) == 0 ? config::BatchingPolicy::kAdaptive
                                                 : config::BatchingPolicy::kFixed,
                     .max_batch_size = number(1, 10)});
    Executor executor(backend, queue, peer_.page(), peers[0].clock());
    std::map<uint64_t, std::string> expected[2];
    for (uint64_t id = 1; id <= 60; ++id) {
      const auto peer = static_cast<size_t>(number(0, 1));
      const int64_t rows = number(1, 4);
      const int64_t width = number(1, 3);
      std::string input;
      for (int64_t i = 0; i < rows * width; ++i) {
        input.push_back(static_cast<char>(number(-128, 127)));
      }
      auto call = peers[peer].MakeCall(id, backend.signature().at("run"), input);
      call->rows = rows;
      call->inputs.front().shape = {rows, width};
      call->received -= absl::Seconds(1);  // Windows are over.
      expected[peer][id] = std::move(input);
      queue.Push(call);
      if (number(1, 8) == 1 && call->Take(QueuedCall::State::kDropped)) {
        expected[peer].erase(id);
        peers[peer].peer()->RemoveCall(id);
      }
      if (number(1, 40) == 1) gate->Open();
    }
    gate->Open();
    for (size_t peer = 0; peer < 2; ++peer) {
      while (!expected[peer].empty()) {
        const v1::Result result = peers[peer].Next().result();
        ASSERT_EQ(result.outputs_size(), 1);
        ASSERT_TRUE(expected[peer].contains(result.call())) << "call " << result.call();
        EXPECT_EQ(result.outputs(0).inline_bytes(), expected[peer][result.call()]);
        expected[peer].erase(result.call());
      }
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace tiffin::worker
