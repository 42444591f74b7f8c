#include "gateway/resources/prediction.h"

#include <limits>

#include "gateway/resources/graph_load.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/resources/profiles.h"

namespace tiffin::gateway {
namespace {

// The gateway's own work is far below the times of these tests.
constexpr double kNear = 0.01;

TEST(PredictionTest, TheBusiestRunnerLimitsTheThroughput) {
  const RunnerProfiles profiles = {{"slow", {{1, Single(0.1)}}}, {"fast", {{1, Single(0.02)}}}};
  const Prediction prediction =
      Predict(Chain({"slow", "fast"}), profiles, {{"slow", {1, 1}}, {"fast", {1, 1}}}, 2);
  EXPECT_NEAR(prediction.requests_per_second, 10, kNear * 10);
  EXPECT_EQ(prediction.limit, "slow");
  EXPECT_NEAR(prediction.seconds, 0.12, kNear * 0.12);
}

TEST(PredictionTest, ReplicasCountUntilTheCoresAreBusy) {
  const RunnerProfiles profiles = {{"a", {{1, Single(0.1)}}}};
  const GraphLoad load = Chain({"a"});
  for (const int replicas : {1, 2, 3, 4}) {
    const Prediction prediction = Predict(load, profiles, {{"a", {replicas, 1}}}, 4);
    EXPECT_NEAR(prediction.requests_per_second, 10 * replicas, 0.1 * replicas);
  }
  const Prediction many = Predict(load, profiles, {{"a", {8, 1}}}, 4);
  EXPECT_NEAR(many.requests_per_second, 40, 0.4);
  EXPECT_EQ(many.limit, "cores");
}

TEST(PredictionTest, BatchesAndExecutionsAtTheSameTimeCount) {
  const RunnerProfiles profiles = {{"a", {{1, Batching(0.1)}, {2, Single(0.1, 2)}}}};
  const GraphLoad load = Chain({"a"});
  EXPECT_NEAR(Predict(load, profiles, {{"a", {1, 1}}}, 8).requests_per_second, 20, 0.2);
  EXPECT_NEAR(Predict(load, profiles, {{"a", {1, 2}}}, 8).requests_per_second, 20, 0.2);
}

TEST(PredictionTest, StepsThatNeedNotWaitTakeTheTimeOfTheLongest) {
  const RunnerProfiles profiles = {{"a", {{1, Single(0.1)}}}, {"b", {{1, Single(0.06)}}}};
  const WorkerCounts workers = {{"a", {1, 1}}, {"b", {1, 1}}};
  EXPECT_NEAR(Predict(Parallel({"a", "b"}), profiles, workers, 2).seconds, 0.1, 0.001);
  // Unless there is no core for them.
  EXPECT_NEAR(Predict(Parallel({"a", "b"}), profiles, workers, 1).seconds, 0.16, 0.001);
}

TEST(PredictionTest, TheWaitForABatchIsPartOfTheLatencyAlone) {
  WorkerMeasurements waits = Batching(0.1);
  for (Measurement& one : waits.measurements) one.wait_seconds = 0.02;
  const Prediction without =
      Predict(Chain({"a"}), {{"a", {{1, Batching(0.1)}}}}, {{"a", {1, 1}}}, 4);
  const Prediction with = Predict(Chain({"a"}), {{"a", {{1, waits}}}}, {{"a", {1, 1}}}, 4);
  EXPECT_NEAR(with.seconds - without.seconds, 0.02, 1e-9);
  EXPECT_EQ(with.requests_per_second, without.requests_per_second);
}

TEST(PredictionTest, ARunnerThatIsCalledTwiceIsTwiceAsBusy) {
  const RunnerProfiles profiles = {{"a", {{1, Single(0.1)}}}};
  const GraphLoad load = Chain({"a", "a"});
  EXPECT_NEAR(Capacity(load, "a", profiles.at("a"), {1, 1}), 5, 0.05);
  EXPECT_EQ(Capacity(load, "b", profiles.at("a"), {1, 1}), std::numeric_limits<double>::infinity());
}

TEST(PredictionTest, MethodsHaveTimesOfTheirOwn) {
  WorkerMeasurements measured = Single(0.1);
  measured.measurements.push_back(
      {.method = "words", .rows = 1, .input = "zeros", .seconds = 0.2, .cpu_seconds = 0.2});
  GraphLoad load = Chain({"a"});
  EXPECT_NEAR(Capacity(load, "a", {{1, measured}}, {1, 1}), 10, 0.1);
  load.steps[0].method = "words";
  EXPECT_NEAR(Capacity(load, "a", {{1, measured}}, {1, 1}), 5, 0.05);
}

TEST(GraphLoadTest, RunnersThatNoApiCallsAreLoadsOfTheirOwn) {
  PlannedService service{.name = "s", .apis = {}};
  service.apis.emplace_back().name = "go";
  PlannedStep step;
  step.action = PlannedCall{.runner = "a", .method = "run", .signature = {}, .retries = 0};
  service.apis[0].steps.push_back(std::move(step));
  const std::vector<std::string> runners = {"a", "b"};
  const std::vector<GraphLoad> loads = LoadsOf(service, runners);
  ASSERT_EQ(loads.size(), 2U);
  EXPECT_EQ(loads[0].name, "s.go");
  EXPECT_EQ(loads[0].steps[0].runner, "a");
  EXPECT_EQ(loads[1].name, "s.b");
  EXPECT_EQ(loads[1].steps[0].runner, "b");
}

}  // namespace
}  // namespace tiffin::gateway
