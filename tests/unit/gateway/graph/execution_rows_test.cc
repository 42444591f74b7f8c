// Requests with several rows, and literals.
#include <string>
#include <vector>

#include "gateway/graph/execution.h"
#include "gateway/graph/row_calls.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/execution_fixture.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;

class ExecutionRowsTest : public ExecutionTest {
 protected:
  ExecutionRowsTest() { builder.plan.has_rows = true; }
};

TEST_F(ExecutionRowsTest, BatchableMethodGetsAllRowsInOneCall) {
  builder.AddInput();
  PlanBuilder::SignatureOf(builder.AddCall("a", {Input(0)})).batchable = true;
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2, 3})});
  ASSERT_EQ(runner("runner_a").calls().size(), 1u);
  const Call& call = runner("runner_a").calls()[0]->call;
  EXPECT_EQ(call.rows, 3);
  EXPECT_THAT(NumbersOf(call.inputs[0]), ElementsAre(1, 2, 3));
  runner("runner_a").End(0, {Numbers({4, 5, 6})});
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(4, 5, 6));
}

// A step whose method takes at most 3 rows.
class SplitStepTest : public ExecutionRowsTest {
 protected:
  SplitStepTest() {
    builder.AddInput();
    MethodSignature& signature =
        PlanBuilder::SignatureOf(builder.AddCall("a", {Input(0), Numbers({7})}));
    signature.batchable = true;
    signature.max_batch_size = 3;
    builder.AddOutput(Step(0));
  }
  std::vector<std::vector<int64_t>> CallsFor(std::vector<int64_t> numbers) {
    Start({Numbers(std::move(numbers))});
    std::vector<std::vector<int64_t>> calls;
    for (const auto& started : runner("runner_a").calls()) {
      calls.push_back(NumbersOf(started->call.inputs[0]));
      EXPECT_EQ(started->call.rows, static_cast<int64_t>(calls.back().size()));
      EXPECT_EQ(NumbersOf(started->call.inputs[1]), std::vector<int64_t>(calls.back().size(), 7));
    }
    return calls;
  }
};

TEST_F(SplitStepTest, AsManyRowsAsTheLimitAreOneCall) {
  EXPECT_THAT(CallsFor({1, 2, 3}), ElementsAre(ElementsAre(1, 2, 3)));
}

TEST_F(SplitStepTest, MoreRowsAreSeveralCallsOfAboutTheSameSizeAndOutputsKeepTheirOrder) {
  EXPECT_THAT(CallsFor({1, 2, 3, 4, 5, 6, 7}),
              ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4), ElementsAre(5, 6, 7)));
  runner("runner_a").End(1, {Numbers({30, 40})});
  runner("runner_a").End(2, {Numbers({50, 60, 70})});
  EXPECT_EQ(done_calls, 0);
  runner("runner_a").End(0, {Numbers({10, 20})});
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(10, 20, 30, 40, 50, 60, 70));
}

TEST_F(SplitStepTest, ErrorNamesTheRowsAndCancelsTheOthers) {
  CallsFor({1, 2, 3, 4});
  runner("runner_a").End(1, absl::InvalidArgumentError("bad"));
  EXPECT_EQ(result->status(),
            absl::InvalidArgumentError("step 'a' (runner 'runner_a'): rows 2 to 3: bad"));
  EXPECT_TRUE(runner("runner_a").calls()[0]->cancelled);
}

TEST_F(SplitStepTest, OutputsWhoseShapesDifferAreRefused) {
  CallsFor({1, 2, 3, 4});
  Value wide = Numbers({1, 2, 3, 4});
  wide.shape = {2, 2};
  runner("runner_a").End(0, {Numbers({1, 2})});
  runner("runner_a").End(1, {wide});
  EXPECT_THAT(std::string(result->status().message()),
              ::testing::HasSubstr("row 2 is int64[2] and row 0 is int64[]"));
}

TEST_F(ExecutionRowsTest, OtherMethodGetsACallForEachRowAndOutputsKeepTheirOrder) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2, 3})});
  FakeRunner& a = runner("runner_a");
  ASSERT_EQ(a.calls().size(), 3u);
  for (size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(a.calls()[row]->call.rows, 1);
    EXPECT_EQ(a.calls()[row]->call.inputs[0].shape, Shape({1}));
    EXPECT_THAT(NumbersOf(a.calls()[row]->call.inputs[0]),
                ElementsAre(static_cast<int64_t>(row) + 1));
  }
  a.End(2, {Numbers({30})});
  a.End(0, {Numbers({10})});
  EXPECT_EQ(done_calls, 0);
  a.End(1, {Numbers({20})});
  ASSERT_EQ(done_calls, 1);
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(10, 20, 30));
}

TEST_F(ExecutionRowsTest, RowsOfTextAreCutAndPutTogether) {
  const ValueType text = SingleType(ValueKind::kText);
  builder.AddInput(text);
  MethodSignature& signature = PlanBuilder::SignatureOf(builder.AddCall("a", {Input(0)}));
  signature.inputs[0].type = text;
  signature.outputs[0].type = text;
  builder.AddOutput(Step(0));
  Start({Texts({"one", "", "three"})});
  FakeRunner& a = runner("runner_a");
  ASSERT_EQ(a.calls().size(), 3u);
  EXPECT_THAT(TextsOf(a.calls()[0]->call.inputs[0]), ElementsAre("one"));
  EXPECT_THAT(TextsOf(a.calls()[1]->call.inputs[0]), ElementsAre(""));
  EXPECT_THAT(TextsOf(a.calls()[2]->call.inputs[0]), ElementsAre("three"));
  a.End(0, {Texts({"un"})});
  a.End(1, {Texts({"rien"})});
  a.End(2, {Texts({""})});
  EXPECT_THAT(TextsOf((**result)[0]), ElementsAre("un", "rien", ""));
}

TEST_F(ExecutionRowsTest, ErrorOfARowNamesItAndCancelsTheOthers) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2, 3})});
  FakeRunner& a = runner("runner_a");
  a.End(1, absl::InvalidArgumentError("bad"));
  EXPECT_EQ(result->status(),
            absl::InvalidArgumentError("step 'a' (runner 'runner_a'): row 1: bad"));
  EXPECT_TRUE(a.calls()[0]->cancelled);
  EXPECT_TRUE(a.calls()[2]->cancelled);
}

TEST_F(ExecutionRowsTest, OutputsWhoseShapesDifferAreRefused) {
  builder.AddInput();
  PlanBuilder::SignatureOf(builder.AddCall("a", {Input(0)})).outputs[0].type =
      TensorType(DataType::kInt64, {-1});
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2})});
  Value one = Numbers({1});
  one.shape = {1, 1};
  Value two = Numbers({1, 2});
  two.shape = {1, 2};
  runner("runner_a").End(0, {one});
  runner("runner_a").End(1, {two});
  EXPECT_EQ(result->status(),
            absl::InvalidArgumentError(
                "step 'a' (runner 'runner_a'): output 'out0': row 1 is int64[2] and row 0 is "
                "int64[1]; the rows of one request must have one shape: send them one by one"));
}

TEST_F(ExecutionRowsTest, OnlyAWindowOfRowsIsUnderWay) {
  const int64_t rows = 3 * kRowCallsAtOnce + 5;
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0));
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < rows; ++i) numbers.push_back(i);
  Start({Numbers(numbers)});
  FakeRunner& a = runner("runner_a");
  for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
    EXPECT_LE(a.pending(), static_cast<size_t>(kRowCallsAtOnce));
    a.End(row, {Numbers({static_cast<int64_t>(row) + 1})});
  }
  ASSERT_EQ(done_calls, 1);
  for (int64_t& number : numbers) ++number;
  EXPECT_EQ(NumbersOf((**result)[0]), numbers);
}

TEST_F(ExecutionRowsTest, DestructionCancelsAllRows) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2})});
  execution.reset();
  EXPECT_TRUE(runner("runner_a").calls()[0]->cancelled);
  EXPECT_TRUE(runner("runner_a").calls()[1]->cancelled);
}

TEST_F(ExecutionRowsTest, LiteralIsRepeatedForEachRowOfABatch) {
  builder.AddInput();
  PlanBuilder::SignatureOf(builder.AddCall("a", {Input(0), Numbers({7})})).batchable = true;
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2, 3})});
  EXPECT_THAT(NumbersOf(runner("runner_a").calls()[0]->call.inputs[1]), ElementsAre(7, 7, 7));
}

TEST_F(ExecutionRowsTest, LiteralIsGivenToEachCallOfOneRow) {
  builder.AddInput();
  builder.AddCall("a", {Numbers({7}), Input(0)});
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2})});
  ASSERT_EQ(runner("runner_a").calls().size(), 2u);
  for (const auto& call : runner("runner_a").calls()) {
    EXPECT_THAT(NumbersOf(call->call.inputs[0]), ElementsAre(7));
  }
}

TEST_F(ExecutionRowsTest, FunctionGetsWholeValues) {
  builder.AddInput();
  builder.AddFunction("all", {Input(0)}, [](std::span<const Value> inputs) {
    EXPECT_EQ(inputs[0].rows(), 2);
    return inputs[0];
  });
  builder.AddOutput(Step(0));
  Start({Numbers({1, 2})});
  RunPosted();
  EXPECT_THAT(NumbersOf((**result)[0]), ElementsAre(1, 2));
}

TEST_F(ExecutionRowsTest, InputsWithDifferentRowsAreRefused) {
  builder.AddInput().AddInput().AddOutput(Input(0)).AddOutput(Input(1));
  Start({Numbers({1, 2}), Numbers({1})});
  RunPosted();
  EXPECT_EQ(result->status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ExecutionRowsTest, NoRowsAreRefused) {
  builder.AddInput().AddOutput(Input(0));
  Start({Numbers({})});
  RunPosted();
  EXPECT_EQ(result->status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ExecutionRowsTest, TooManyRowsOneByOneAreRefused) {
  builder.AddInput();
  builder.AddCall("a", {Input(0)});
  builder.AddOutput(Step(0));
  Start({Numbers(std::vector<int64_t>(kMaxRowCalls + 1, 1))});
  RunPosted();
  EXPECT_EQ(result->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(runner("runner_a").calls().empty());
}

}  // namespace
}  // namespace tiffin::gateway
