#pragma once

#include <span>
#include <string>
#include <vector>

#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// What a request of an API asks of the runners.
struct GraphLoad {
  struct Step {
    std::string runner;  // Empty for a function, which costs next to nothing.
    std::string method;
    std::vector<size_t> needs;  // Earlier steps.
  };

  std::string name;  // "service.api"
  std::vector<Step> steps;
};

// The APIs of a service, and for each of the `runners` that none of them calls a call by itself.
std::vector<GraphLoad> LoadsOf(const PlannedService& service, std::span<const std::string> runners);

}  // namespace tiffin::gateway
