#include "worker/torch/length_groups.h"

#include <algorithm>
#include <numeric>

namespace tiffin::worker {

std::vector<std::vector<size_t>> GroupByLength(std::span<const size_t> lengths) {
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lengths[a] < lengths[b]; });

  // Groups are stretches of that order. For the first n texts of it: what the best grouping costs,
  // and where its last group begins.
  struct Best {
    size_t cost = 0;
    size_t last_begin = 0;
  };
  std::vector<Best> best(order.size() + 1);
  for (size_t end = 1; end <= order.size(); ++end) {
    const size_t longest = lengths[order[end - 1]];
    best[end] = {.cost = best[end - 1].cost + kTokensPerRun + longest, .last_begin = end - 1};
    for (size_t begin = end - 1; begin-- > 0 && (end - begin) * longest <= kTokensAtOnce;) {
      const size_t cost = best[begin].cost + kTokensPerRun + (end - begin) * longest;
      if (cost <= best[end].cost) best[end] = {.cost = cost, .last_begin = begin};
    }
  }

  std::vector<std::vector<size_t>> groups;
  for (size_t end = order.size(); end > 0; end = best[end].last_begin) {
    groups.emplace_back(order.begin() + static_cast<ptrdiff_t>(best[end].last_begin),
                        order.begin() + static_cast<ptrdiff_t>(end));
  }
  return groups;
}

}  // namespace tiffin::worker
