#include "gateway/dispatch/trial_turn.h"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(TrialTurnTest, OneHasIt) {
  TrialTurn turn;
  const auto held = turn.Take([] {});

  EXPECT_TRUE(held.has_value());
  EXPECT_FALSE(turn.Take([] {}).has_value());
}

TEST(TrialTurnTest, WhoWaitsIsToldOnceWhenItIsGivenBack) {
  TrialTurn turn;
  auto held = turn.Take([] {});
  int told = 0;
  EXPECT_FALSE(turn.Take([&] { ++told; }).has_value());
  EXPECT_FALSE(turn.Take([&] { ++told; }).has_value());
  EXPECT_EQ(told, 0);

  held.reset();

  EXPECT_EQ(told, 2);
  held.emplace(*turn.Take([&] { ++told; }));
  held.reset();
  EXPECT_EQ(told, 2);
}

TEST(TrialTurnTest, WhoIsToldMayTakeItAtOnce) {
  TrialTurn turn;
  auto held = turn.Take([] {});
  std::optional<TrialTurn::Held> next;
  EXPECT_FALSE(turn.Take([&] { next.emplace(*turn.Take([] {})); }).has_value());

  held.reset();

  EXPECT_TRUE(next.has_value());
}

TEST(TrialTurnTest, OfManyThreadsOneHasItAtATime) {
  TrialTurn turn;
  std::atomic<int> holders = 0;
  std::atomic<int> times = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        if (const auto held = turn.Take([] {}); held.has_value()) {
          EXPECT_EQ(++holders, 1);
          ++times;
          --holders;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_GT(times, 0);
  EXPECT_TRUE(turn.Take([] {}).has_value());
}

}  // namespace
}  // namespace tiffin::gateway
