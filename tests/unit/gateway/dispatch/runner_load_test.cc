#include "gateway/dispatch/runner_load.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(RunnerLoadTest, HasAPlaceForEachReplicaAndForTheQueue) {
  RunnerLoad load(/*replicas=*/2, /*queue_max=*/1);
  EXPECT_EQ(load.limit(), 3);
  std::vector<RunnerLoad::Place> places;
  for (int i = 0; i < 3; ++i) {
    std::optional<RunnerLoad::Place> place = load.Enter();
    ASSERT_TRUE(place.has_value());
    places.push_back(*std::move(place));
  }

  EXPECT_FALSE(load.Enter().has_value());

  places.pop_back();
  EXPECT_TRUE(load.Enter().has_value());
}

TEST(RunnerLoadTest, ACallThatHadAPlaceGetsOneAgainThoughAllAreTaken) {
  RunnerLoad load(1, 0);
  const std::optional<RunnerLoad::Place> only = load.Enter();
  {
    const RunnerLoad::Place again = load.EnterAgain();
    EXPECT_FALSE(load.Enter().has_value());
  }
  EXPECT_TRUE(only.has_value());
  EXPECT_FALSE(load.Enter().has_value());
}

TEST(RunnerLoadTest, APlaceCountsForTheReplicaThatItWentToLast) {
  RunnerLoad load(2, 10);
  RunnerLoad::Place place = *load.Enter();
  EXPECT_EQ(load.at(0), 0);

  place.GoTo(0);
  place.GoTo(1);

  EXPECT_EQ(load.at(0), 0);
  EXPECT_EQ(load.at(1), 1);
  RunnerLoad::Place moved = std::move(place);
  EXPECT_EQ(load.at(1), 1);
  moved = RunnerLoad::Place();
  EXPECT_EQ(load.at(1), 0);
}

TEST(RunnerLoadTest, ThreadsTogetherNeverHaveMoreThanTheLimit) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20'000;
  RunnerLoad load(1, 1);
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::atomic<int> entered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        std::optional<RunnerLoad::Place> place = load.Enter();
        if (!place.has_value()) continue;
        ++entered;
        const int now = ++inside;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        place->GoTo(0);
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_LE(most, load.limit());
  EXPECT_GT(entered, 0);
  EXPECT_EQ(load.at(0), 0);
  std::vector<RunnerLoad::Place> all;
  for (int i = 0; i < 2; ++i) all.push_back(*load.Enter());
  EXPECT_FALSE(load.Enter().has_value());
}

}  // namespace
}  // namespace tiffin::gateway
