#include "common/async/unsent_answers.h"

#include <chrono>
#include <memory>
#include <optional>

#include "grpcpp/channel.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin {
namespace {

using Sending = UnsentAnswers::Sending;

constexpr UnsentAnswers::Limits kLimits{.bytes = 100, .time = absl::Seconds(60)};
// The time that everybody has.
constexpr absl::Duration kFair = absl::Seconds(1);

// Takes the one event that is due.
bool Next(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  const auto give_up = std::chrono::system_clock::now() + absl::ToChronoSeconds(kPatience);
  return queue.AsyncNext(&tag, &ok, give_up) == grpc::CompletionQueue::GOT_EVENT && ok;
}

// A server in this process; RPCs that it has taken and does not answer.
class UnsentAnswersTest : public ::testing::Test {
 protected:
  class Call {
   public:
    explicit Call(UnsentAnswersTest& test) : test_(test) {
      client_ = test.stub_->PrepareCall(&client_context_, "/test/Method", &test.client_queue_);
      test.service_.RequestCall(&context_, &stream_, test.queue_.get(), test.queue_.get(), this);
      client_->StartCall(this);
      EXPECT_TRUE(Next(*test.queue_) && Next(test.client_queue_));
    }
    ~Call() {
      if (over_) return;
      context_.TryCancel();
      EXPECT_TRUE(IsCancelled());
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    grpc::ServerContext& context() { return context_; }
    // Waits for it.
    [[nodiscard]] bool IsCancelled() {
      grpc::Status status;
      client_->Finish(&status, this);
      over_ = Next(test_.client_queue_);
      return over_ && status.error_code() == grpc::StatusCode::CANCELLED;
    }

   private:
    UnsentAnswersTest& test_;
    bool over_ = false;
    grpc::ClientContext client_context_;
    grpc::GenericServerContext context_;
    grpc::GenericServerAsyncReaderWriter stream_{&context_};
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> client_;
  };

  UnsentAnswersTest() {
    grpc::ServerBuilder builder;
    builder.RegisterAsyncGenericService(&service_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    stub_ = std::make_unique<grpc::GenericStub>(server_->InProcessChannel({}));
  }
  ~UnsentAnswersTest() override {
    server_->Shutdown();
    queue_->Shutdown();
    client_queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok) || client_queue_.Next(&tag, &ok)) {
    }
  }

  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  grpc::CompletionQueue client_queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
  ManualClock clock_;
  UnsentAnswers answers_{kLimits, clock_};
};

TEST_F(UnsentAnswersTest, AnswersAreWithinTheLimitAndGiveBackTheirBytes) {
  Call call(*this);
  Sending one;
  std::optional<Sending> other(std::in_place);
  EXPECT_TRUE(one.Begin(answers_, call.context(), 60));
  EXPECT_FALSE(other->Begin(answers_, call.context(), 41));
  EXPECT_TRUE(other->Begin(answers_, call.context(), 40));

  one.End();

  EXPECT_FALSE(one.Begin(answers_, call.context(), 61));
  EXPECT_TRUE(one.Begin(answers_, call.context(), 50)) << "its own next one";
  EXPECT_TRUE(one.Begin(answers_, call.context(), 60));
  other.reset();
  EXPECT_TRUE(one.Begin(answers_, call.context(), 100));
}

TEST_F(UnsentAnswersTest, WhatCanNeverBeWithinTheLimitCancelsNobody) {
  Call call(*this);
  Sending old;
  EXPECT_TRUE(old.Begin(answers_, call.context(), 60));
  clock_.Advance(kFair);
  Sending huge;
  EXPECT_FALSE(huge.Begin(answers_, call.context(), 101));
  Sending other;
  EXPECT_TRUE(other.Begin(answers_, call.context(), 40));
  EXPECT_FALSE(huge.Begin(answers_, call.context(), 101));
  clock_.Advance(-kFair);
  EXPECT_FALSE(huge.Begin(answers_, call.context(), 1)) << "the old one has its bytes";
}

TEST_F(UnsentAnswersTest, WhoHasWaitedForLongestGivesWayAfterAFairTime) {
  Call late(*this);
  Call early(*this);
  Call last(*this);
  Sending first;
  Sending second;
  Sending third;
  ASSERT_TRUE(first.Begin(answers_, early.context(), 50));
  clock_.Advance(kFair / 2);
  ASSERT_TRUE(second.Begin(answers_, late.context(), 50));
  EXPECT_FALSE(third.Begin(answers_, last.context(), 10)) << "all have had too little time";
  clock_.Advance(kFair / 2);

  EXPECT_TRUE(third.Begin(answers_, last.context(), 10));

  EXPECT_TRUE(early.IsCancelled());
  Sending fourth;
  EXPECT_FALSE(fourth.Begin(answers_, last.context(), 41)) << "the second has its bytes";
  first.End();
  EXPECT_FALSE(fourth.Begin(answers_, last.context(), 41)) << "the first's are given back once";
  EXPECT_TRUE(fourth.Begin(answers_, last.context(), 40));
}

TEST_F(UnsentAnswersTest, AnEmptyAnswerGivesNothingAndStays) {
  Call empty(*this);
  Call full(*this);
  Sending nothing;
  Sending all;
  ASSERT_TRUE(nothing.Begin(answers_, empty.context(), 0));
  ASSERT_TRUE(all.Begin(answers_, full.context(), 100));
  clock_.Advance(kFair);
  Sending next;
  EXPECT_TRUE(next.Begin(answers_, empty.context(), 100));
  EXPECT_TRUE(full.IsCancelled());
  next.End();
  // Only now.
  answers_.CancelLate(clock_.Now() + kLimits.time);
  EXPECT_TRUE(empty.IsCancelled());
}

TEST_F(UnsentAnswersTest, WhoTakesTooLongIsCancelled) {
  Call slow(*this);
  Call other(*this);
  Sending first;
  Sending second;
  ASSERT_TRUE(first.Begin(answers_, slow.context(), 60));
  clock_.Advance(absl::Seconds(30));
  ASSERT_TRUE(second.Begin(answers_, other.context(), 40));
  clock_.Advance(absl::Seconds(30));

  answers_.CancelLate(clock_.Now());

  EXPECT_TRUE(slow.IsCancelled());
  Sending third;
  clock_.Advance(-absl::Seconds(30));
  EXPECT_FALSE(third.Begin(answers_, other.context(), 61)) << "the second has its bytes";
  EXPECT_TRUE(third.Begin(answers_, other.context(), 60));
}

}  // namespace
}  // namespace tiffin
