#include "gateway/dispatch/session_calls.h"

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

worker::v1::Result ResultOf(uint64_t call) {
  worker::v1::Result result;
  result.set_call(call);
  return result;
}

// All of it is the loop's.
class SessionCallsTest : public ::testing::Test {
 protected:
  SessionCallsTest() {
    SessionCalls::Events events;
    events.keep_inputs_back = [](uint64_t) { return false; };
    events.cancel = [this](uint64_t call) { cancelled_.push_back(call); };
    events.ended = [this] { ++ended_; };
    calls_.emplace(loop_.loop(), memory_,
                   SessionCalls::Options{.shares_memory = true,
                                         .session = std::make_shared<WorkerSession*>(nullptr)},
                   std::move(events));
  }
  ~SessionCallsTest() override {
    loop_.Do([this] { calls_.reset(); });
  }

  // A call without inputs and outputs; when it is told of its end, `then` happens.
  void Add(
      uint64_t call, std::function<void()> then = [] {}) {
    SessionCalls::Record record;
    record.method = &method_;
    record.signature = &signature_;
    record.done = [this, call, then = std::move(then)](const absl::StatusOr<CallResult>& result) {
      told_.push_back(call);
      if (!result.ok()) interruptions_.push_back(InterruptionOf(result.status()));
      then();
    };
    calls_->Add(call, std::move(record));
  }
  // What was deferred has happened.
  void Settle() {
    loop_.Do([] {});
  }

  const std::string method_ = "run";
  const MethodSignature signature_;
  ManualClock clock_;
  LoopThread loop_{clock_};
  metrics::GatewayMetrics metrics_;
  SegmentNames names_;
  GatewayMemory memory_{{}, clock_, names_, metrics_};
  std::optional<SessionCalls> calls_;
  std::vector<uint64_t> told_;
  std::vector<Interruption> interruptions_;
  std::vector<uint64_t> cancelled_;
  int ended_ = 0;
};

TEST_F(SessionCallsTest, CallersAreToldInTheOrderOfResultsAndLater) {
  loop_.Do([this] {
    for (const uint64_t call : {1, 2, 3}) Add(call);
    for (const uint64_t call : {3, 1}) EXPECT_TRUE(calls_->OnResult(ResultOf(call)).ok());
    EXPECT_THAT(told_, IsEmpty());
  });
  Settle();
  EXPECT_THAT(told_, ElementsAre(3, 1));
  EXPECT_EQ(ended_, 1);
  EXPECT_FALSE(calls_->empty());
}

TEST_F(SessionCallsTest, NobodyIsToldOfWhatWasAbandoned) {
  loop_.Do([this] {
    Add(1);
    calls_->Abandon(1);
    EXPECT_FALSE(calls_->empty()) << "the worker has it still";
    EXPECT_TRUE(calls_->OnResult(ResultOf(1)).ok());
  });
  Settle();
  EXPECT_THAT(cancelled_, ElementsAre(1));
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_TRUE(calls_->empty());
}

TEST_F(SessionCallsTest, AnAnswerThatNobodyAskedForIsABreach) {
  loop_.Do([this] {
    EXPECT_EQ(calls_->OnResult(ResultOf(1)).code(), absl::StatusCode::kInternal);
    Add(2);
    EXPECT_TRUE(calls_->OnResult(ResultOf(2)).ok());
    EXPECT_EQ(calls_->OnResult(ResultOf(2)).code(), absl::StatusCode::kInternal);
  });
}

TEST_F(SessionCallsTest, WhoeverIsToldOfAResultMayEndEverything) {
  loop_.Do([this] {
    Add(1, [this] { calls_.reset(); });
    Add(2);
    for (const uint64_t call : {1, 2}) EXPECT_TRUE(calls_->OnResult(ResultOf(call)).ok());
  });
  Settle();
  EXPECT_THAT(told_, ElementsAre(1));
  EXPECT_EQ(ended_, 0);
}

TEST_F(SessionCallsTest, WhoeverIsToldOfAnInterruptionMayEndEverything) {
  loop_.Do([this] {
    for (const uint64_t call : {1, 2}) Add(call, [this] { calls_.reset(); });
    calls_->Fail({{1, Interruption::kNeverRan}, {2, Interruption::kNeverRan}},
                 "its worker is gone");
  });
  EXPECT_THAT(interruptions_, ElementsAre(Interruption::kNeverRan));
}

TEST_F(SessionCallsTest, OfALostSessionResultsThatCameAreToldBeforeTheRestFails) {
  loop_.Do([this] {
    for (const uint64_t call : {1, 2}) Add(call);
    EXPECT_TRUE(calls_->OnResult(ResultOf(1)).ok());
    calls_->Close();
    loop_.loop().Defer([this] {
      calls_->Fail({{2, Interruption::kMayHaveRun}}, "its worker is gone");
    });
  });
  Settle();
  EXPECT_THAT(told_, ElementsAre(1, 2));
  EXPECT_THAT(interruptions_, ElementsAre(Interruption::kMayHaveRun));
}

}  // namespace
}  // namespace tiffin::gateway
