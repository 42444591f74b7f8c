#include "gateway/resources/allocation.h"

#include <string>
#include <vector>

#include "gateway/resources/allocation_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using testing::ElementsAre;

RunnerRequest Runner(std::string name) {
  return {.name = std::move(name),
          .backend = "testing",
          .replicas = std::nullopt,
          .cpu = std::nullopt,
          .threads = std::nullopt,
          .device = "cpu",
          .tuned = std::nullopt};
}

CoreBudget Cores(double cores) { return {.cores = cores, .why = "a test"}; }

TEST(AllocationTest, ReplicasWithoutAWordShareTheCoresEvenly) {
  RunnerRequest twice = Runner("b");
  twice.replicas = 2;
  const std::vector<RunnerRequest> requests = {Runner("a"), twice};
  const Allocation allocation = Allocate(Cores(9), requests);
  EXPECT_EQ(allocation.runners[0].workers, (WorkerCount{1, 3}));
  EXPECT_EQ(allocation.runners[1].workers, (WorkerCount{2, 3}));
  EXPECT_EQ(allocation.runners[0].why, "even share of 9 cores for 3 replicas");
  EXPECT_EQ(allocation.runners[1].why, "even share of 9 cores for 3 replicas; replicas");
}

TEST(AllocationTest, ThreadsNeverExceedTheCoresWhereThereIsOneForEach) {
  for (int cores = 1; cores <= 16; ++cores) {
    for (int count = 1; count <= cores; ++count) {
      const std::vector<RunnerRequest> requests(static_cast<size_t>(count), Runner("r"));
      int threads = 0;
      for (const RunnerShare& share : Allocate(Cores(cores), requests).runners) {
        threads += share.workers.total();
      }
      EXPECT_LE(threads, cores) << count << " runners";
    }
  }
}

TEST(AllocationTest, EachHasOneThreadHoweverFewCoresThereAre) {
  const std::vector<RunnerRequest> requests = {Runner("a"), Runner("b"), Runner("c")};
  const Allocation allocation = Allocate(Cores(0.5), requests);
  for (const RunnerShare& share : allocation.runners) EXPECT_EQ(share.workers.threads, 1);
  EXPECT_NEAR(allocation.runners[0].cpu, 0.5 / 3, 1e-9);
}

TEST(AllocationTest, CpuIsTheShareAndGivesTheThreadsRoundedUp) {
  RunnerRequest heavy = Runner("heavy");
  heavy.cpu = 1.5;
  heavy.replicas = 2;
  const std::vector<RunnerRequest> requests = {heavy, Runner("rest")};
  const Allocation allocation = Allocate(Cores(8), requests);
  EXPECT_EQ(allocation.runners[0].workers, (WorkerCount{2, 2}));
  EXPECT_EQ(allocation.runners[0].cpu, 1.5);
  EXPECT_EQ(allocation.runners[0].why, "resources.cpu; replicas");
  EXPECT_EQ(allocation.runners[1].workers.threads, 5);
}

TEST(AllocationTest, ThreadsAreTheShareTooWhereNoCpuIsWritten) {
  RunnerRequest wide = Runner("wide");
  wide.threads = 3;
  const std::vector<RunnerRequest> requests = {wide, Runner("rest")};
  const Allocation allocation = Allocate(Cores(4), requests);
  EXPECT_EQ(allocation.runners[0].workers.threads, 3);
  EXPECT_EQ(allocation.runners[0].why, "resources.threads");
  EXPECT_EQ(allocation.runners[1].workers.threads, 1);
}

TEST(AllocationTest, WithBothTheEngineGetsTheThreadsAndTheOthersWhatCpuLeaves) {
  RunnerRequest both = Runner("both");
  both.cpu = 0.5;
  both.threads = 4;
  const std::vector<RunnerRequest> requests = {both, Runner("rest")};
  const Allocation allocation = Allocate(Cores(4), requests);
  EXPECT_EQ(allocation.runners[0].workers.threads, 4);
  EXPECT_EQ(allocation.runners[0].cpu, 0.5);
  EXPECT_EQ(allocation.runners[0].why, "resources.cpu and threads");
  EXPECT_EQ(allocation.runners[1].workers.threads, 3);
}

TEST(AllocationTest, ATuningFillsInWhatTheFileLeavesOpen) {
  RunnerRequest open = Runner("open");
  open.tuned = WorkerCount{3, 2};
  RunnerRequest fixed = Runner("fixed");
  fixed.tuned = WorkerCount{2, 1};
  fixed.cpu = 1;
  RunnerRequest counted = Runner("counted");
  counted.tuned = WorkerCount{4, 2};
  counted.replicas = 4;
  const std::vector<RunnerRequest> requests = {open, fixed, counted};
  const Allocation allocation = Allocate(Cores(8), requests);
  EXPECT_EQ(allocation.runners[0].workers, (WorkerCount{3, 2}));
  EXPECT_EQ(allocation.runners[0].why, "tiffin tune");
  EXPECT_EQ(allocation.runners[1].workers, (WorkerCount{2, 1}));
  EXPECT_EQ(allocation.runners[1].why, "resources.cpu; replicas by tiffin tune");
  EXPECT_EQ(allocation.runners[2].workers, (WorkerCount{4, 2}));
  EXPECT_EQ(allocation.runners[2].why, "tiffin tune; replicas");
}

TEST(AllocationTest, WhatATuningFoundIsNotSharedOut) {
  RunnerRequest tuned = Runner("tuned");
  tuned.tuned = WorkerCount{2, 3};
  const std::vector<RunnerRequest> requests = {tuned, Runner("rest")};
  EXPECT_EQ(Allocate(Cores(8), requests).runners[1].workers, (WorkerCount{1, 2}));
}

TEST(AllocationTest, TheTextHasATableAndSaysWhenThereAreTooManyThreads) {
  RunnerRequest heavy = Runner("s.heavy");
  heavy.threads = 2;
  heavy.device = "cuda:0";
  Allocation allocation = Allocate(Cores(2), std::vector<RunnerRequest>{heavy, Runner("s.a")});
  allocation.note = "tuned yesterday";
  EXPECT_THAT(
      AllocationText(allocation),
      ElementsAre("resources: 2 cores (a test)",
                  "  runner   backend  replicas  threads  cpu  device  why",
                  "  s.heavy  testing  1         2        2    cuda:0  resources.threads",
                  "  s.a      testing  1         1        0    cpu     "
                  "even share of 0 cores for 1 replica",
                  "  3 threads in all, more than the cores: they take turns", "  tuned yesterday"));
}

TEST(AllocationTest, WithoutRunnersTheTextHasNoTable) {
  Allocation allocation = Allocate(Cores(2), std::vector<RunnerRequest>{});
  EXPECT_THAT(AllocationText(allocation), ElementsAre("resources: no worker is started here"));

  allocation.note = "tuned yesterday";
  EXPECT_THAT(AllocationText(allocation),
              ElementsAre("resources: no worker is started here", "  tuned yesterday"));
}

}  // namespace
}  // namespace tiffin::gateway
