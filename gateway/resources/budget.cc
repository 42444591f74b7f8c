#include "gateway/resources/budget.h"

#include <sched.h>

#include <algorithm>

#include "common/cgroup.h"
#include "common/strings.h"
#include "gateway/resources/text.h"

namespace tiffin::gateway {

int CoreBudget::WholeCores() const { return std::max(1, static_cast<int>(cores)); }

CoreLimits ReadCoreLimits() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = sched_getaffinity(0, sizeof(set), &set) == 0;
  return {.affinity = known ? CPU_COUNT(&set) : 1, .quota = CgroupCores(CgroupPaths())};
}

CoreBudget MakeCoreBudget(const CoreLimits& limits, std::optional<double> cpus) {
  CoreBudget there{.cores = static_cast<double>(limits.affinity), .why = "affinity"};
  if (limits.quota.has_value() && *limits.quota < there.cores) {
    there = {.cores = *limits.quota, .why = "the cgroup's cpu.max"};
  }
  if (!cpus.has_value()) return there;
  return {.cores = *cpus,
          .why = StrCat("--cpus; there are ", NumberText(there.cores), " by ", there.why)};
}

}  // namespace tiffin::gateway
