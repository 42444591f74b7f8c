#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/resources/budget.h"

namespace tiffin::gateway {

// How many worker processes a runner has, and the threads of each one's engine.
struct WorkerCount {
  int replicas = 1;
  int threads = 1;

  int total() const { return replicas * threads; }
  friend bool operator==(const WorkerCount&, const WorkerCount&) = default;
};

// A runner, with what its service file says of its resources and what tuning found.
struct RunnerRequest {
  std::string name;  // "service.runner"
  std::string backend;
  std::optional<int> replicas;
  std::optional<double> cpu;
  std::optional<int> threads;
  std::string device;
  std::optional<WorkerCount> tuned;
};

// What a runner gets.
struct RunnerShare {
  std::string name;
  std::string backend;
  WorkerCount workers;
  double cpu = 1;  // Of each replica: its part of the budget.
  std::string device;
  std::string why;
};

struct Allocation {
  CoreBudget budget;
  std::vector<RunnerShare> runners;  // In the order of the requests.
  std::string note;                  // On the tuning, if there is something to say.
};

// The rule. What the file says counts. A replica's share is its `cpu`, else its `threads`; its
// threads are `threads`, else its `cpu` rounded up. What a tuning found fills in the rest. Without
// one a runner has one replica, and the replicas that say nothing share the cores that are left
// evenly, in whole threads, one at least.
Allocation Allocate(CoreBudget budget, std::span<const RunnerRequest> requests);

}  // namespace tiffin::gateway
