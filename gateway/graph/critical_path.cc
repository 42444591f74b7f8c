#include "gateway/graph/critical_path.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace tiffin::gateway {

namespace {

// Nobody wrote down which call of a program needed which: it is taken to be the one that had ended
// last when it began.
std::vector<size_t> ProgramPath(std::span<const StepTiming> timeline) {
  std::vector<size_t> by_end(timeline.size());
  std::iota(by_end.begin(), by_end.end(), size_t{0});
  std::stable_sort(by_end.begin(), by_end.end(),
                   [&](size_t a, size_t b) { return timeline[a].end > timeline[b].end; });
  std::vector<size_t> path;
  for (const size_t call : by_end) {
    if (path.empty() || timeline[call].end <= timeline[path.back()].start) path.push_back(call);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace

std::vector<size_t> CriticalPath(const PlannedApi& plan, std::span<const StepTiming> timeline) {
  if (plan.program != nullptr) return ProgramPath(timeline);
  std::vector<std::optional<size_t>> position(plan.steps.size());
  for (size_t i = 0; i < timeline.size(); ++i) position[timeline[i].step] = i;
  std::optional<size_t> last;
  const auto consider = [&](size_t step) {
    const std::optional<size_t> at = position[step];
    if (!at.has_value()) return;
    if (!last.has_value() || timeline[*at].end > timeline[*last].end) last = at;
  };
  for (const PlannedOutput& output : plan.outputs) {
    if (output.source.from == ValueSource::From::kStep) consider(output.source.index);
  }
  std::vector<size_t> path;
  while (last.has_value()) {
    path.push_back(*last);
    last.reset();
    for (const size_t need : plan.steps[timeline[path.back()].step].needs) consider(need);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace tiffin::gateway
