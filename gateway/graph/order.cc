#include "gateway/graph/order.h"

#include <algorithm>
#include <set>

namespace tiffin::gateway {
namespace {

// Walks from `start`, always to a need that is not placed yet, until a step comes again. Every
// unplaced step has such a need, or it would have been placed.
std::vector<size_t> FindCycle(size_t start, std::span<const std::vector<size_t>> needs,
                              const std::vector<bool>& placed) {
  std::vector<size_t> path;
  size_t step = start;
  auto seen = path.end();
  while ((seen = std::find(path.begin(), path.end(), step)) == path.end()) {
    path.push_back(step);
    step = *std::find_if(needs[step].begin(), needs[step].end(),
                         [&](size_t need) { return !placed[need]; });
  }
  // The path runs against the data flow: turn it round, and begin with the step written first.
  std::vector<size_t> cycle(seen, path.end());
  std::reverse(cycle.begin(), cycle.end());
  std::rotate(cycle.begin(), std::min_element(cycle.begin(), cycle.end()), cycle.end());
  return cycle;
}

}  // namespace

StepOrder OrderSteps(std::span<const std::vector<size_t>> needs) {
  const size_t count = needs.size();
  std::vector<std::vector<size_t>> feeds(count);
  std::vector<size_t> waiting(count);
  std::set<size_t> ready;
  for (size_t step = 0; step < count; ++step) {
    waiting[step] = needs[step].size();
    if (waiting[step] == 0) ready.insert(step);
    for (const size_t need : needs[step]) feeds[need].push_back(step);
  }

  StepOrder result;
  std::vector<bool> placed(count, false);
  const auto place = [&](size_t step) {
    placed[step] = true;
    result.order.push_back(step);
    for (const size_t fed : feeds[step]) {
      if (--waiting[fed] == 0 && !placed[fed]) ready.insert(fed);
    }
  };
  for (size_t first_unplaced = 0;;) {
    while (!ready.empty()) place(ready.extract(ready.begin()).value());
    while (first_unplaced < count && placed[first_unplaced]) ++first_unplaced;
    if (first_unplaced == count) return result;
    // All that is left is on a cycle or behind one. With this cycle out of the way, others show.
    result.cycles.push_back(FindCycle(first_unplaced, needs, placed));
    for (const size_t step : result.cycles.back()) {
      if (!placed[step]) {
        ready.erase(step);
        place(step);
      }
    }
  }
}

}  // namespace tiffin::gateway
