#include "gateway/api/statistics.h"

#include <thread>
#include <vector>

#include "gateway/api/serving.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway {
namespace {

using testing::FakeServing;

constexpr absl::Duration kMs = absl::Milliseconds(1);

class StatisticsTest : public ::testing::Test {
 protected:
  StatisticsTest() {
    serving_.AddRunner("demo", "model_a", {}, {});
    serving_.AddRunner("demo", "model_b", {}, {});
    PlannedApi& api = serving_.AddApi("demo", "predict", {}, {});
    for (const char* runner : {"model_a", "model_b"}) {
      PlannedStep step;
      step.name = runner;
      step.action = PlannedCall{
          .runner = runner, .method = std::string(kDefaultMethod), .signature = {}, .retries = 0};
      api.steps.push_back(std::move(step));
    }
    PlannedStep function;
    function.name = "verdict";
    function.action = std::unique_ptr<StepFunction>();
    api.steps.push_back(std::move(function));
    statistics_.emplace(serving_.services(), serving_.runners());
  }

  InferTarget api() { return &serving_.services()[0].apis[0]; }
  InferTarget runner(size_t index) { return &serving_.runners()[index]; }
  static StepTiming Step(size_t index, ExecutionList executions = {}) {
    return {.name = "",
            .runner = "",
            .start = kMs,
            .end = 10 * kMs,
            .spent = {.queue = 2 * kMs, .batch = 1 * kMs, .compute = 5 * kMs},
            .step = index,
            .done = true,
            .executions = std::move(executions)};
  }
  static EndedRequest Ended(std::span<const StepTiming> steps, bool ok) {
    return {.rows = 4,
            .ok = ok,
            .end = absl::FromUnixSeconds(100),
            .total = 30 * kMs,
            .decode = 3 * kMs,
            .encode = 2 * kMs,
            .steps = steps};
  }

  FakeServing serving_;
  std::optional<Statistics> statistics_;
};

TEST_F(StatisticsTest, ARequestCountsForItsApiAndForTheRunnersOfItsSteps) {
  const std::vector<StepTiming> steps = {Step(0, {{.rows = 8, .count = 1, .compute = 5 * kMs}}),
                                         Step(1), Step(2)};
  statistics_->Count(statistics_->at(api()), Ended(steps, true));

  const TargetStatistics whole = statistics_->of(api());
  EXPECT_EQ(whole.last, absl::FromUnixSeconds(100));
  EXPECT_EQ(whole.success.count, 1U);
  EXPECT_EQ(whole.success.time, 30 * kMs);
  EXPECT_EQ(whole.fail.count, 0U);
  EXPECT_EQ(whole.rows, 4U);
  EXPECT_EQ(whole.executions, 1U);
  EXPECT_EQ(whole.queue.time, 9 * kMs) << "all three steps', with the waits for others";
  EXPECT_EQ(whole.compute_input.time, 3 * kMs);
  EXPECT_EQ(whole.compute_infer.time, 15 * kMs);
  EXPECT_EQ(whole.compute_output.time, 2 * kMs);
  EXPECT_EQ(whole.batches.at(4).count, 1U);

  const TargetStatistics first = statistics_->of(runner(0));
  EXPECT_EQ(first.success.count, 1U);
  EXPECT_EQ(first.success.time, 9 * kMs);
  EXPECT_EQ(first.rows, 4U);
  EXPECT_EQ(first.executions, 1U);
  EXPECT_EQ(first.batches.at(8).time, 5 * kMs);
  EXPECT_EQ(first.compute_input.count, 1U);
  EXPECT_EQ(first.compute_input.time, absl::ZeroDuration());

  const TargetStatistics shared = statistics_->of(runner(1));
  EXPECT_EQ(shared.success.count, 1U);
  EXPECT_EQ(shared.executions, 0U) << "another call counts the execution that they shared";
}

TEST_F(StatisticsTest, WhatFailedIsNotExecuted) {
  StepTiming failed = Step(1);
  failed.done = false;
  const std::vector<StepTiming> steps = {Step(0, {{.rows = 4, .count = 1, .compute = kMs}}),
                                         failed};
  statistics_->Count(statistics_->at(api()), Ended(steps, false));
  EXPECT_EQ(statistics_->of(api()).fail.count, 1U);
  EXPECT_EQ(statistics_->of(api()).fail.time, 30 * kMs);
  EXPECT_EQ(statistics_->of(api()).success.count, 0U);
  EXPECT_EQ(statistics_->of(api()).executions, 0U);
  EXPECT_EQ(statistics_->of(api()).rows, 0U);
  EXPECT_EQ(statistics_->of(runner(0)).success.count, 1U);
  EXPECT_EQ(statistics_->of(runner(0)).executions, 1U);
  EXPECT_EQ(statistics_->of(runner(1)).fail.count, 1U);
  EXPECT_EQ(statistics_->of(runner(1)).success.count, 0U);
  EXPECT_EQ(statistics_->of(runner(1)).queue.count, 0U);
}

TEST_F(StatisticsTest, ARunnerCalledByItselfIsCountedOnce) {
  std::vector<StepTiming> steps = {Step(0, {{.rows = 4, .count = 1, .compute = 5 * kMs}})};
  steps[0].spent.overlapped = 2 * kMs;  // Of rows that went beside others.
  statistics_->Count(statistics_->at(runner(0)), Ended(steps, true));
  const TargetStatistics counted = statistics_->of(runner(0));
  EXPECT_EQ(counted.success.count, 1U);
  EXPECT_EQ(counted.success.time, 30 * kMs);
  EXPECT_EQ(counted.executions, 1U);
  EXPECT_EQ(counted.rows, 4U);
  EXPECT_EQ(counted.queue.time, 3 * kMs);
  EXPECT_EQ(counted.compute_infer.time, 7 * kMs);
  EXPECT_EQ(counted.compute_input.time, 3 * kMs);
  EXPECT_EQ(counted.compute_output.time, 2 * kMs);
  EXPECT_EQ(statistics_->of(runner(1)).success.count, 0U);
}

TEST_F(StatisticsTest, LoopsCountTogetherAndNothingIsLost) {
  constexpr int kThreads = 4;
  constexpr int kRequests = 5'000;
  const std::vector<StepTiming> steps = {Step(0, {{.rows = 8, .count = 1, .compute = kMs}}),
                                         Step(1), Step(2)};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const Statistics::Counter& counter = statistics_->at(api());
      for (int request = 0; request < kRequests; ++request) {
        statistics_->Count(counter, Ended(steps, request % 5 != 0));
        EXPECT_LE(statistics_->of(runner(0)).executions, uint64_t{kThreads} * kRequests);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  const TargetStatistics whole = statistics_->of(api());
  EXPECT_EQ(whole.success.count, kThreads * kRequests / 5 * 4U);
  EXPECT_EQ(whole.fail.count, kThreads * kRequests / 5U);
  EXPECT_EQ(whole.compute_output.time, kThreads * kRequests / 5 * 4 * 2 * kMs);
  EXPECT_EQ(statistics_->of(runner(0)).batches.at(8).count, uint64_t{kThreads} * kRequests);
}

TEST_F(StatisticsTest, TheLastOneIsTheLatestWhicheverCameLast) {
  EndedRequest request = Ended({}, false);
  statistics_->Count(statistics_->at(api()), request);
  request.end -= absl::Seconds(1);
  statistics_->Count(statistics_->at(api()), request);
  EXPECT_EQ(statistics_->of(api()).last, absl::FromUnixSeconds(100));
}

TEST_F(StatisticsTest, SizesOfBatchesAreBounded) {
  for (int64_t rows = 1; rows <= 1000; ++rows) {
    const std::vector<StepTiming> steps = {Step(0, {{.rows = rows, .count = 1, .compute = kMs}})};
    statistics_->Count(statistics_->at(runner(0)), Ended(steps, true));
  }
  EXPECT_EQ(statistics_->of(runner(0)).batches.size(), kMaxBatchSizes);
  EXPECT_EQ(statistics_->of(runner(0)).executions, 1000U);
}

}  // namespace
}  // namespace tiffin::gateway
