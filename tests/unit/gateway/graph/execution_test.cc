#include "gateway/graph/execution.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/execution_fixture.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;

// pre -> (a || b), both returned.
void BuildFanOut(PlanBuilder& builder) {
  builder.AddInput();
  builder.AddCall("pre", {Input(0)});
  builder.AddCall("a", {Step(0)});
  builder.AddCall("b", {Step(0)});
  builder.AddOutput(Step(1)).AddOutput(Step(2));
}

TEST_F(ExecutionTest, IndependentStepsAreUnderWayTogether) {
  BuildFanOut(builder);
  Start({Numbers({1})});
  EXPECT_EQ(runner("runner_a").pending(), 0u);
  EXPECT_EQ(runner("runner_b").pending(), 0u);

  runner("runner_pre").End(0, {Numbers({2})});
  // The barrier: both have started before either has ended.
  ASSERT_EQ(runner("runner_a").pending(), 1u);
  ASSERT_EQ(runner("runner_b").pending(), 1u);
  EXPECT_THAT(NumbersOf(runner("runner_a").calls()[0]->call.inputs[0]), ElementsAre(2));

  runner("runner_b").End(0, {Numbers({4})});
  EXPECT_EQ(done_calls, 0);
  runner("runner_a").End(0, {Numbers({3})});
  ASSERT_EQ(done_calls, 1);
  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(3));
  EXPECT_THAT(NumbersOf((**result)[1]), ElementsAre(4));
}

TEST_F(ExecutionTest, ErrorEndsTheRequestWhileTheSiblingIsPendingAndCancelsIt) {
  BuildFanOut(builder);
  Start({Numbers({1})});
  runner("runner_pre").End(0, {Numbers({2})});

  runner("runner_a").End(0, absl::InvalidArgumentError("too dark"));

  ASSERT_EQ(done_calls, 1);
  EXPECT_EQ(result->status(), absl::InvalidArgumentError("step 'a' (runner 'runner_a'): too dark"));
  EXPECT_TRUE(runner("runner_b").calls()[0]->cancelled);
}

TEST_F(ExecutionTest, MessageEndsAtOneKibibyteBetweenCharacters) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0));
  Start({Numbers({1})});
  std::string long_message;
  while (long_message.size() < 3000) long_message += "\xc3\xa9";  // Two bytes each.

  runner("runner_a").End(0, absl::UnavailableError(long_message));

  const std::string message(result->status().message());
  EXPECT_EQ(result->status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LE(message.size(), 1024u);
  EXPECT_GE(message.size(), 1022u);
  EXPECT_EQ(message.substr(message.size() - 5), "\xc3\xa9...");
}

TEST_F(ExecutionTest, DoneMayDestroyTheExecution) {
  BuildFanOut(builder);
  destroy_when_done = true;
  Start({Numbers({1})});
  runner("runner_pre").End(0, {Numbers({2})});
  runner("runner_a").End(0, absl::InternalError("broken"));
  EXPECT_EQ(done_calls, 1);
  EXPECT_EQ(execution, nullptr);
}

TEST_F(ExecutionTest, DestructionCancelsAllPendingCalls) {
  BuildFanOut(builder);
  Start({Numbers({1})});
  runner("runner_pre").End(0, {Numbers({2})});
  execution.reset();
  EXPECT_TRUE(runner("runner_a").calls()[0]->cancelled);
  EXPECT_TRUE(runner("runner_b").calls()[0]->cancelled);
  EXPECT_EQ(done_calls, 0);
}

TEST_F(ExecutionTest, ApiOfFunctionsEndsAfterStart) {
  builder.AddInput();
  builder.AddFunction("twice", {Input(0)}, [](std::span<const Value> inputs) {
    return Numbers({2 * NumbersOf(inputs[0])[0]});
  });
  builder.AddOutput(Step(0));
  Start({Numbers({4})});
  ASSERT_EQ(posted.size(), 1u);
  RunPosted();
  ASSERT_EQ(done_calls, 1);
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(8));
}

TEST_F(ExecutionTest, DestructionForgetsAResultThatWasPosted) {
  builder.AddInput().AddOutput(Input(0));
  Start({Numbers({4})});
  execution.reset();
  RunPosted();
  EXPECT_EQ(done_calls, 0);
}

TEST_F(ExecutionTest, FunctionsErrorNamesStepAndFunction) {
  builder.AddInput();
  builder.AddCall("slow", {Input(0)});
  builder.AddFunction("check", {Input(0)},
                      [](std::span<const Value>) { return absl::FailedPreconditionError("no"); });
  builder.AddOutput(Step(0)).AddOutput(Step(1));
  Start({Numbers({4})});
  EXPECT_TRUE(runner("runner_slow").calls()[0]->cancelled);
  RunPosted();
  EXPECT_EQ(result->status(),
            absl::FailedPreconditionError("step 'check' (function 'function_check'): no"));
}

TEST_F(ExecutionTest, ReadyCallsAreOnTheirWayBeforeFunctionsRun) {
  size_t pending_in_function = 0;
  builder.AddInput();
  builder.AddFunction("think", {Input(0)}, [&](std::span<const Value> inputs) {
    pending_in_function = runner("runner_a").pending();
    return inputs[0];
  });
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0)).AddOutput(Step(1));
  Start({Numbers({4})});
  EXPECT_EQ(pending_in_function, 1u);
}

TEST_F(ExecutionTest, ValueIsLetGoWhenItsLastReaderHasTakenIt) {
  builder.AddInput();
  builder.AddCall("first", {Input(0)}, 2);
  builder.AddCall("second", {Step(0, 0)});
  builder.AddCall("third", {Step(0, 0), Step(1)});
  builder.AddOutput(Step(2));
  for (const auto* name : {"runner_first", "runner_second", "runner_third"}) {
    runner(name).OnStart([](FakeRunner::Started& started) { started.call.inputs.clear(); });
  }
  Value input = Numbers({1});
  const std::weak_ptr<const Buffer> in = input.buffer;
  Start({std::move(input)});
  EXPECT_TRUE(in.expired());

  Value used = Numbers({2});
  Value unused = Numbers({3});
  const std::weak_ptr<const Buffer> used_buffer = used.buffer;
  const std::weak_ptr<const Buffer> unused_buffer = unused.buffer;
  runner("runner_first").End(0, {std::exchange(used, {}), std::exchange(unused, {})});
  EXPECT_TRUE(unused_buffer.expired());
  EXPECT_FALSE(used_buffer.expired()) << "the third step still needs it";
  runner("runner_second").End(0, {Numbers({4})});
  EXPECT_TRUE(used_buffer.expired());
  EXPECT_EQ(done_calls, 0);
}

TEST_F(ExecutionTest, StepsTimeoutShortensTheDeadline) {
  builder.AddInput();
  builder.plan.timeout = absl::Seconds(10);
  builder.AddCall("short", {Input(0)}).timeout = absl::Milliseconds(50);
  builder.AddCall("plain", {Input(0)});
  builder.AddCall("late", {Step(1)}).timeout = absl::Seconds(8);
  builder.AddOutput(Step(0)).AddOutput(Step(2));
  const absl::Time start = clock.Now();
  Start({Numbers({1})});
  EXPECT_EQ(runner("runner_short").calls()[0]->call.deadline, start + absl::Milliseconds(50));
  EXPECT_EQ(runner("runner_plain").calls()[0]->call.deadline, start + absl::Seconds(10));

  clock.Advance(absl::Seconds(5));
  runner("runner_plain").End(0, {Numbers({2})});
  EXPECT_EQ(runner("runner_late").calls()[0]->call.deadline, start + absl::Seconds(10));
}

TEST_F(ExecutionTest, ClientsDeadlineCountsWhereItIsEarlier) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0));
  const absl::Time deadline = clock.Now() + absl::Seconds(2);
  Start({Numbers({1})}, deadline);
  EXPECT_EQ(runner("runner_a").calls()[0]->call.deadline, deadline);
  EXPECT_EQ(runner("runner_a").calls()[0]->call.request_id, "request");
}

TEST_F(ExecutionTest, NoStepStartsAfterTheDeadline) {
  BuildFanOut(builder);
  Start({Numbers({1})}, clock.Now() + absl::Seconds(1));
  clock.Advance(absl::Seconds(1));
  runner("runner_pre").End(0, {Numbers({2})});
  ASSERT_EQ(done_calls, 1);
  EXPECT_EQ(result->status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(runner("runner_a").calls().empty());
  EXPECT_TRUE(runner("runner_b").calls().empty());
}

TEST_F(ExecutionTest, SizeThatThePlanLeftOpenIsCheckedBeforeTheCall) {
  builder.AddInput(TensorType(DataType::kInt64, {-1}));
  PlanBuilder::SignatureOf(builder.AddCall("a", {Input(0)})).inputs[0].type =
      TensorType(DataType::kInt64, {3});
  builder.AddOutput(Step(0));
  Value two = Numbers({1, 2});
  two.shape = {1, 2};
  Start({two});
  RunPosted();
  EXPECT_EQ(result->status(), absl::InvalidArgumentError(
                                  "step 'a' (runner 'runner_a'): its input 'arg0' is int64[2], "
                                  "but it takes int64[3]"));
  EXPECT_TRUE(runner("runner_a").calls().empty());
}

TEST_F(ExecutionTest, WrongNumberOfOutputsIsABug) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)}, 2);
  builder.AddOutput(Step(0, 1));
  Start({Numbers({1})});
  runner("runner_a").End(0, {Numbers({2})});
  EXPECT_EQ(result->status().code(), absl::StatusCode::kInternal);
}

TEST_F(ExecutionTest, WrongInputsAreRefusedAfterStart) {
  builder.AddInput().AddInput().AddOutput(Input(0)).AddOutput(Input(1));
  Start({Numbers({1})});
  RunPosted();
  EXPECT_EQ(result->status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ExecutionTest, RowsWithoutADeclarationAreRefused) {
  builder.AddInput().AddOutput(Input(0));
  Start({Numbers({1, 2})});
  RunPosted();
  EXPECT_EQ(result->status(), absl::InvalidArgumentError("api 'api' takes one row, and got 2"));
}

TEST_F(ExecutionTest, TimelineTellsWhenEachStepRan) {
  BuildFanOut(builder);
  Start({Numbers({1})});
  clock.Advance(absl::Milliseconds(3));
  FakeRunner::End(*runner("runner_pre").calls()[0],
                  CallResult{.outputs = {Numbers({2})},
                             .timings = {.queue = absl::Milliseconds(1),
                                         .batch = absl::Microseconds(500),
                                         .compute = absl::Milliseconds(2)}});
  clock.Advance(absl::Milliseconds(4));
  runner("runner_b").End(0, {Numbers({2})});
  clock.Advance(absl::Milliseconds(1));
  runner("runner_a").End(0, absl::UnavailableError("gone"));
  clock.Advance(absl::Milliseconds(9));

  const std::vector<StepTiming>& timeline = execution->timeline();
  ASSERT_EQ(timeline.size(), 3u);
  EXPECT_EQ(timeline[0].name, "pre");
  EXPECT_EQ(timeline[0].runner, "runner_pre");
  EXPECT_EQ(timeline[0].end, absl::Milliseconds(3));
  EXPECT_EQ(timeline[0].spent.queue, absl::Milliseconds(1));
  EXPECT_EQ(timeline[0].spent.batch, absl::Microseconds(500));
  EXPECT_EQ(timeline[0].spent.compute, absl::Milliseconds(2));
  EXPECT_EQ(timeline[1].name, "a");
  EXPECT_EQ(timeline[1].start, absl::Milliseconds(3));
  EXPECT_EQ(timeline[1].end, absl::Milliseconds(8));
  EXPECT_EQ(timeline[2].name, "b");
  EXPECT_EQ(timeline[2].start, absl::Milliseconds(3));
  EXPECT_EQ(timeline[2].end, absl::Milliseconds(7));
  EXPECT_EQ(execution->elapsed(), absl::Milliseconds(8));
}

TEST_F(ExecutionTest, RunnerThatIsNotThereIsABug) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  const auto bound =
      BoundApi::Create(builder.plan, [](const std::string&) -> Runner* { return nullptr; });
  EXPECT_EQ(bound.status().code(), absl::StatusCode::kInternal);
}

TEST_F(ExecutionTest, WhatIsMonitoredIsKeptUntilTheEnd) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddFunction("f", {Step(0)}, [](std::span<const Value> inputs) -> absl::StatusOr<Value> {
    return inputs.front();
  });
  builder.AddOutput(Step(1));
  builder.plan.monitor = {.config = {},
                          .values = {{"x", Input(0), kNumber}, {"a", Step(0), kNumber}}};
  for (const bool kept : {false, true}) {
    monitored = kept;
    Start({Numbers({1})});
    auto& call = *runner("runner_a").calls().back();
    const std::weak_ptr<const Buffer> input = call.call.inputs.front().buffer;
    FakeRunner::End(call, CallResult{.outputs = {Numbers({2})}, .timings = {}});
    ASSERT_TRUE(result->ok());
    const Execution::Monitored monitored_values = execution->TakeMonitored();
    if (kept) {
      ASSERT_EQ(monitored_values.values.size(), 2U);
      EXPECT_EQ(NumbersOf(monitored_values.values[0]), (std::vector<int64_t>{1}));
      EXPECT_EQ(NumbersOf(monitored_values.values[1]), (std::vector<int64_t>{2}));
    } else {
      EXPECT_TRUE(monitored_values.values.empty());
      EXPECT_TRUE(input.expired()) << "nobody needs the input any more";
    }
  }
}

}  // namespace
}  // namespace tiffin::gateway
