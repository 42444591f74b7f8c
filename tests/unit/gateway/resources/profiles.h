#pragma once

#include <string>
#include <vector>

#include "gateway/resources/prediction.h"

// Measurements and graphs, made up.
namespace tiffin::gateway {

// One row at a time, `seconds` each of which all is CPU time.
inline WorkerMeasurements Single(double seconds, int concurrency = 1) {
  return {.concurrency = concurrency,
          .measurements = {{.method = "run",
                            .rows = 1,
                            .input = "zeros",
                            .seconds = seconds,
                            .cpu_seconds = seconds}}};
}

// Twice the rows in the same time.
inline WorkerMeasurements Batching(double seconds) {
  WorkerMeasurements made = Single(seconds);
  made.measurements.push_back(
      {.method = "run", .rows = 2, .input = "zeros", .seconds = seconds, .cpu_seconds = seconds});
  return made;
}

// A step of each runner after the other.
inline GraphLoad Chain(const std::vector<std::string>& runners) {
  GraphLoad load{.name = "s.chain", .steps = {}};
  for (const std::string& runner : runners) {
    std::vector<size_t> needs;
    if (!load.steps.empty()) needs.push_back(load.steps.size() - 1);
    load.steps.push_back({.runner = runner, .method = "run", .needs = needs});
  }
  return load;
}

// A step of each runner, at the same time.
inline GraphLoad Parallel(const std::vector<std::string>& runners) {
  GraphLoad load{.name = "s.parallel", .steps = {}};
  for (const std::string& runner : runners) {
    load.steps.push_back({.runner = runner, .method = "run", .needs = {}});
  }
  return load;
}

}  // namespace tiffin::gateway
