#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gateway/resources/prediction.h"

namespace tiffin::gateway {

// A service to be tuned.
struct SearchSubject {
  std::vector<GraphLoad> loads;
  RunnerProfiles profiles;
  std::map<std::string, std::vector<WorkerCount>> choices;  // Of each runner, at least one.
  double cores = 1;                                         // For all of its runners.
};

// An allocation with what it is predicted to do, load by load.
struct Candidate {
  WorkerCounts workers;
  std::vector<Prediction> predictions;

  // The geometric means over the loads.
  double requests_per_second() const;
  double seconds() const;
};

struct SearchResult {
  Candidate best;
  std::vector<Candidate> others;  // That were looked at, fastest first; without the best.
};

// 1, 2, 3, 4, 6, 8, 12, 16, ... and `most`: the numbers of threads and replicas that are tried.
std::vector<int> StepsTo(int most);

// The counts that a runner may have: some replicas for each number of threads that was measured, up
// to `cores` threads in all, or the least that there is, and as many replicas as a service file may
// give at most. What is given is fixed.
struct ChoiceLimits {
  int cores = 1;
  std::optional<int> replicas;
};
std::vector<WorkerCount> ChoicesOf(const RunnerProfile& profile, const ChoiceLimits& limits);

// The highest throughput counts; among those within 5 % of it, the lowest latency, where a further
// thread must save 5 % of it and a further process 1 %. Not every combination is tried: for each
// throughput that a runner can reach, all get the least that reaches it, and from there each is
// changed by itself as long as that pays.
SearchResult FindBest(const SearchSubject& subject);

}  // namespace tiffin::gateway
