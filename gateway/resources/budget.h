#pragma once

#include <optional>
#include <string>

namespace tiffin::gateway {

// The cores that a gateway's workers share, those of all its service files.
struct CoreBudget {
  double cores = 1;
  std::string why;  // For people: where the number is from.

  // Threads that can run at the same time: whole cores, one at least.
  int WholeCores() const;
};

// What the machine lets this process have.
struct CoreLimits {
  int affinity = 1;             // Cores that it may run on.
  std::optional<double> quota;  // Of its cgroup and that one's ancestors.
};
CoreLimits ReadCoreLimits();

// `cpus` is what the user said: that counts, even if it is more than there is.
CoreBudget MakeCoreBudget(const CoreLimits& limits, std::optional<double> cpus);

}  // namespace tiffin::gateway
