#include "gateway/graph/row_calls.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/gateway/graph/fakes.h"

namespace tiffin::gateway {
namespace {

MethodSignature Signature(bool batchable, int64_t max_batch_size) {
  return {.inputs = {{"in", kNumber}},
          .outputs = {{"out", kNumber}},
          .batchable = batchable,
          .max_batch_size = max_batch_size};
}

TEST(RowsPerCallTest, IsOneTheLimitOrAnyNumber) {
  EXPECT_EQ(RowsPerCall(Signature(/*batchable=*/false, 0)), 1);
  EXPECT_EQ(RowsPerCall(Signature(/*batchable=*/true, 8)), 8);
  EXPECT_GT(RowsPerCall(Signature(/*batchable=*/true, 0)), int64_t{1} << 60);
}

TEST(RowCallsTest, AnyNumberOfRowsIsSplitWithinTheLimitAndComesBackInOrder) {
  const std::string method = "run";
  std::mt19937 random(1);
  for (int64_t rows = 1; rows <= 100; ++rows) {
    const MethodSignature signature = Signature(/*batchable=*/true, 1 + rows % 9);
    SCOPED_TRACE(::testing::Message() << rows << " rows by " << signature.max_batch_size);
    std::vector<int64_t> numbers(static_cast<size_t>(rows));
    std::iota(numbers.begin(), numbers.end(), 0);
    FakeRunner runner;
    std::optional<absl::StatusOr<CallResult>> result;
    Call call;
    call.method = &method;
    call.signature = &signature;
    call.inputs.push_back(Numbers(numbers));
    call.rows = rows;

    const auto pending =
        StartRowCalls(runner, std::move(call),
                      [&](absl::StatusOr<CallResult> ended) { result.emplace(std::move(ended)); });

    ASSERT_TRUE(pending.ok()) << pending.status();
    int64_t smallest = rows;
    int64_t largest = 0;
    while (runner.pending() > 0) {
      const auto nth = std::uniform_int_distribution<size_t>(0, runner.pending() - 1)(random);
      size_t seen = 0;
      for (const auto& started : runner.calls()) {
        if (!started->pending() || seen++ != nth) continue;
        smallest = std::min(smallest, started->call.rows);
        largest = std::max(largest, started->call.rows);
        FakeRunner::End(*started, CallResult{.outputs = {started->call.inputs.front()},
                                             .timings = {},
                                             .executions = {{.rows = started->call.rows,
                                                             .count = 1,
                                                             .compute = absl::Milliseconds(1)}}});
        break;
      }
    }
    EXPECT_LE(largest, signature.max_batch_size);
    EXPECT_LE(largest, smallest + 1) << "the rows are not spread evenly";
    ASSERT_TRUE(result.has_value() && result->ok());
    EXPECT_EQ(NumbersOf((*result)->outputs.front()), numbers);
    int64_t executed = 0;
    for (const Executions& executions : (*result)->executions) {
      executed += executions.rows * static_cast<int64_t>(executions.count);
      EXPECT_EQ(executions.compute, static_cast<int64_t>(executions.count) * absl::Milliseconds(1));
    }
    EXPECT_EQ(executed, rows);
    EXPECT_LE((*result)->executions.size(), 2U) << "one entry for each number of rows";
  }
}

TEST(RowCallsTest, TimingsAreThoseOfTheCallsThatLieBehindOneAnother) {
  const std::string method = "run";
  const MethodSignature signature = Signature(/*batchable=*/false, 0);
  FakeRunner runner;
  runner.set_calls_at_once(2);
  std::optional<absl::StatusOr<CallResult>> result;
  Call call;
  call.method = &method;
  call.signature = &signature;
  call.inputs.push_back(Numbers({0, 1, 2}));
  call.rows = 3;
  const auto pending =
      StartRowCalls(runner, std::move(call),
                    [&](absl::StatusOr<CallResult> ended) { result.emplace(std::move(ended)); });
  ASSERT_TRUE(pending.ok()) << pending.status();
  const auto end = [&](size_t index, int ms) {
    const absl::Duration unit = absl::Milliseconds(ms);
    FakeRunner::End(*runner.calls()[index], CallResult{.outputs = {Numbers({0})},
                                                       .timings = {.queue = unit,
                                                                   .batch = 2 * unit,
                                                                   .compute = 3 * unit,
                                                                   .retry = 4 * unit,
                                                                   .retries = 1}});
  };

  end(1, 10);  // Row 2 begins behind it.
  end(0, 1);
  end(2, 100);

  ASSERT_TRUE(result.has_value() && result->ok());
  const CallTimings& timings = (*result)->timings;
  EXPECT_EQ(timings.queue, absl::Milliseconds(110));
  EXPECT_EQ(timings.batch, absl::Milliseconds(220));
  EXPECT_EQ(timings.compute, absl::Milliseconds(330));
  EXPECT_EQ(timings.retry, absl::Milliseconds(440));
  EXPECT_EQ(timings.retries, 2);
  EXPECT_EQ(timings.overlapped, absl::Milliseconds(3)) << "row 0, beside row 1";
  EXPECT_EQ(timings.calls, 3);
}

TEST(RowCallsTest, NoMoreAreUnderWayThanTheRunnerTakes) {
  const std::string method = "run";
  const MethodSignature signature = Signature(/*batchable=*/false, 0);
  const std::pair<int64_t, size_t> cases[] = {{0, 1}, {1, 1}, {5, 5}, {1000, kRowCallsAtOnce}};
  for (const auto& [taken, expected] : cases) {
    SCOPED_TRACE(::testing::Message() << "the runner takes " << taken);
    FakeRunner runner;
    runner.set_calls_at_once(taken);
    Call call;
    call.method = &method;
    call.signature = &signature;
    call.inputs.push_back(Numbers(std::vector<int64_t>(100)));
    call.rows = 100;

    const auto pending =
        StartRowCalls(runner, std::move(call), [](const absl::StatusOr<CallResult>&) {});

    ASSERT_TRUE(pending.ok()) << pending.status();
    EXPECT_EQ(runner.pending(), expected);
    FakeRunner::End(*runner.calls().front(), CallResult{.outputs = {Numbers({0})}, .timings = {}});
    EXPECT_EQ(runner.pending(), expected);
  }
}

}  // namespace
}  // namespace tiffin::gateway
