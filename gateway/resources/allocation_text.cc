#include "gateway/resources/allocation_text.h"

#include <utility>

#include "common/strings.h"
#include "gateway/resources/text.h"

namespace tiffin::gateway {

namespace {

// The budget, and a table of the runners, of which there are some.
std::vector<std::string> SharesText(const Allocation& allocation) {
  const CoreBudget& budget = allocation.budget;
  std::vector<std::string> lines = {
      StrCat("resources: ", CountText(budget.cores, "core"), " (", budget.why, ")")};
  int threads = 0;
  std::vector<std::vector<std::string>> rows = {
      {"  runner", "backend", "replicas", "threads", "cpu", "device", "why"}};
  for (const RunnerShare& share : allocation.runners) {
    threads += share.workers.total();
    rows.push_back({StrCat("  ", share.name), share.backend, StrCat(share.workers.replicas),
                    StrCat(share.workers.threads), NumberText(share.cpu), share.device, share.why});
  }
  for (std::string& line : TableLines(rows)) lines.push_back(std::move(line));
  if (threads > budget.cores) {
    lines.push_back(StrCat("  ", threads, " threads in all, more than the cores: they take turns"));
  }
  return lines;
}

}  // namespace

std::vector<std::string> AllocationText(const Allocation& allocation) {
  std::vector<std::string> lines = {"resources: no worker is started here"};
  if (!allocation.runners.empty()) lines = SharesText(allocation);
  if (!allocation.note.empty()) lines.push_back(StrCat("  ", allocation.note));
  return lines;
}

}  // namespace tiffin::gateway
