#include "gateway/resources/search.h"

#include <algorithm>
#include <random>

#include "common/config/resources.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/resources/profiles.h"

namespace tiffin::gateway {
namespace {

using testing::ElementsAre;

SearchSubject Subject(GraphLoad load, RunnerProfiles profiles, int cores) {
  SearchSubject subject{.loads = {std::move(load)},
                        .profiles = std::move(profiles),
                        .choices = {},
                        .cores = static_cast<double>(cores)};
  for (const auto& [runner, profile] : subject.profiles) {
    subject.choices[runner] = ChoicesOf(profile, {.cores = cores, .replicas = std::nullopt});
  }
  return subject;
}

TEST(SearchTest, StepsGrowByHalves) {
  EXPECT_THAT(StepsTo(1), ElementsAre(1));
  EXPECT_THAT(StepsTo(2), ElementsAre(1, 2));
  EXPECT_THAT(StepsTo(4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(StepsTo(20), ElementsAre(1, 2, 3, 4, 6, 8, 12, 16, 20));
}

TEST(SearchTest, ChoicesStayWithinTheCores) {
  const RunnerProfile profile = {{1, Single(1)}, {2, Single(1)}, {4, Single(1)}};
  EXPECT_THAT(
      ChoicesOf(profile, {.cores = 4, .replicas = std::nullopt}),
      ElementsAre(WorkerCount{1, 1}, WorkerCount{2, 1}, WorkerCount{3, 1}, WorkerCount{4, 1},
                  WorkerCount{1, 2}, WorkerCount{2, 2}, WorkerCount{1, 4}));
  EXPECT_THAT(ChoicesOf(profile, {.cores = 4, .replicas = 2}),
              ElementsAre(WorkerCount{2, 1}, WorkerCount{2, 2}));
  EXPECT_THAT(ChoicesOf(profile, {.cores = 1, .replicas = 3}), ElementsAre(WorkerCount{3, 1}));
  // What the file says counts, even if it is more than the cores.
  EXPECT_THAT(ChoicesOf({{8, Single(1)}}, {.cores = 4, .replicas = std::nullopt}),
              ElementsAre(WorkerCount{1, 8}));
}

TEST(SearchTest, ChoicesStayWithinWhatAServiceFileMayGive) {
  for (const WorkerCount& count :
       ChoicesOf({{1, Single(1)}}, {.cores = 1000, .replicas = std::nullopt})) {
    EXPECT_LE(count.replicas, config::kMaxReplicas);
  }
}

TEST(SearchTest, WithoutARunnerThereIsOneDivisionOfNothing) {
  const SearchResult result = FindBest(Subject(Chain({""}), {}, 4));
  EXPECT_TRUE(result.best.workers.empty());
  EXPECT_EQ(result.best.predictions.size(), 1U);
  EXPECT_TRUE(result.others.empty());
}

TEST(SearchTest, TheSlowRunnerGetsTheReplicas) {
  const SearchResult result = FindBest(Subject(
      Chain({"slow", "fast"}), {{"slow", {{1, Single(0.09)}}}, {"fast", {{1, Single(0.01)}}}}, 4));
  EXPECT_EQ(result.best.workers, (WorkerCounts{{"slow", {4, 1}}, {"fast", {1, 1}}}));
  EXPECT_NEAR(result.best.requests_per_second(), 40, 1);
  EXPECT_FALSE(result.others.empty());
}

TEST(SearchTest, EqualRunnersGrowTogether) {
  const SearchResult result = FindBest(
      Subject(Parallel({"a", "b"}), {{"a", {{1, Single(0.1)}}}, {"b", {{1, Single(0.1)}}}}, 8));
  EXPECT_EQ(result.best.workers, (WorkerCounts{{"a", {4, 1}}, {"b", {4, 1}}}));
}

TEST(SearchTest, ThreadsAreTakenForLatencyWhereTheThroughputIsTheSame) {
  // Twice the threads, half the time, the same CPU time.
  WorkerMeasurements both = Single(0.1);
  both.measurements[0].seconds = 0.05;
  const SearchResult result =
      FindBest(Subject(Chain({"a"}), {{"a", {{1, Single(0.1)}, {2, both}}}}, 2));
  EXPECT_EQ(result.best.workers.at("a"), (WorkerCount{1, 2}));
}

TEST(SearchTest, ThreadsThatCostThroughputAreNotTaken) {
  // Twice the threads, a little less time, nearly twice the CPU time.
  WorkerMeasurements both = Single(0.15);
  both.measurements[0].seconds = 0.08;
  const SearchResult result =
      FindBest(Subject(Chain({"a"}), {{"a", {{1, Single(0.1)}, {2, both}}}}, 2));
  EXPECT_EQ(result.best.workers.at("a"), (WorkerCount{2, 1}));
}

TEST(SearchTest, NothingIsTakenThatDoesNotPay) {
  const SearchResult result = FindBest(Subject(
      Chain({"slow", "tiny"}), {{"slow", {{1, Single(0.1)}}}, {"tiny", {{1, Single(1e-5)}}}}, 1));
  EXPECT_EQ(result.best.workers, (WorkerCounts{{"slow", {1, 1}}, {"tiny", {1, 1}}}));
}

// No combination is more than a little faster than the one that was found.
TEST(SearchTest, IsNeverFarFromTheBestOfAll) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> seconds(0.001, 0.1);
  std::uniform_real_distribution<double> gain(1, 2);
  for (int round = 0; round < 30; ++round) {
    RunnerProfiles profiles;
    for (const char* runner : {"a", "b", "c"}) {
      const double alone = seconds(random);
      WorkerMeasurements both = Single(alone);
      both.measurements[0].seconds = alone / gain(random);
      both.measurements[0].cpu_seconds = 2 * both.measurements[0].seconds;
      profiles[runner] = {{1, Single(alone)}, {2, both}};
    }
    const SearchSubject subject = Subject(Chain({"a", "b", "c"}), profiles, 4);
    const SearchResult result = FindBest(subject);
    double fastest = 0;
    for (const WorkerCount& a : subject.choices.at("a")) {
      for (const WorkerCount& b : subject.choices.at("b")) {
        for (const WorkerCount& c : subject.choices.at("c")) {
          fastest = std::max(fastest, Predict(subject.loads[0], profiles,
                                              {{"a", a}, {"b", b}, {"c", c}}, subject.cores)
                                          .requests_per_second);
        }
      }
    }
    EXPECT_GE(result.best.requests_per_second(), 0.949 * fastest) << "round " << round;
  }
}

}  // namespace
}  // namespace tiffin::gateway
