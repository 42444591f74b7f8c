#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tiffin::gateway {

struct StepOrder {
  // Every step once. Each after what it needs, but for those in `cycles`.
  std::vector<size_t> order;
  // Each as the steps on it, from one to the next that waits for it; the last leads to the first.
  std::vector<std::vector<size_t>> cycles;
};

// Orders steps so that each comes after those it needs; among those that could come next, the one
// written first. `needs[i]` are the steps that step i waits for, without repeats.
StepOrder OrderSteps(std::span<const std::vector<size_t>> needs);

}  // namespace tiffin::gateway
