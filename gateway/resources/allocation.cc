#include "gateway/resources/allocation.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/strings.h"
#include "gateway/resources/text.h"

namespace tiffin::gateway {
namespace {

bool IsExplicit(const RunnerRequest& request) {
  return request.cpu.has_value() || request.threads.has_value();
}

int Replicas(const RunnerRequest& request) {
  if (request.replicas.has_value()) return *request.replicas;
  return request.tuned.has_value() ? request.tuned->replicas : 1;
}

// What the replicas without a word on their resources share.
struct Rest {
  double cores = 0;
  int replicas = 0;

  double share() const { return replicas == 0 ? cores : cores / replicas; }
};

RunnerShare ExplicitShare(const RunnerRequest& request) {
  RunnerShare share;
  share.cpu = request.cpu.value_or(request.threads.value_or(1));
  share.workers.threads = request.threads.value_or(static_cast<int>(std::ceil(share.cpu)));
  share.why = request.cpu.has_value() ? "resources.cpu" : "resources.threads";
  if (request.cpu.has_value() && request.threads.has_value()) share.why += " and threads";
  return share;
}

RunnerShare TunedShare(const WorkerCount& tuned) {
  RunnerShare share;
  share.workers.threads = tuned.threads;
  share.cpu = tuned.threads;
  share.why = "tiffin tune";
  return share;
}

RunnerShare EvenShare(const Rest& rest) {
  RunnerShare share;
  share.workers.threads = std::max(1, static_cast<int>(rest.share()));
  share.cpu = rest.share();
  share.why = StrCat("even share of ", CountText(rest.cores, "core"), " for ",
                     CountText(rest.replicas, "replica"));
  return share;
}

// The cores that nobody has spoken for, and the replicas that share them.
Rest RestOf(const CoreBudget& budget, std::span<const RunnerRequest> requests) {
  Rest rest{.cores = budget.cores};
  for (const RunnerRequest& request : requests) {
    if (IsExplicit(request)) {
      rest.cores -= Replicas(request) * ExplicitShare(request).cpu;
    } else if (request.tuned.has_value()) {
      rest.cores -= Replicas(request) * request.tuned->threads;
    } else {
      rest.replicas += Replicas(request);
    }
  }
  rest.cores = std::max(0.0, rest.cores);
  return rest;
}

}  // namespace

Allocation Allocate(CoreBudget budget, std::span<const RunnerRequest> requests) {
  const Rest rest = RestOf(budget, requests);
  Allocation allocation{.budget = std::move(budget), .runners = {}, .note = {}};
  for (const RunnerRequest& request : requests) {
    RunnerShare share = IsExplicit(request)         ? ExplicitShare(request)
                        : request.tuned.has_value() ? TunedShare(*request.tuned)
                                                    : EvenShare(rest);
    share.name = request.name;
    share.backend = request.backend;
    share.device = request.device;
    share.workers.replicas = Replicas(request);
    if (request.replicas.has_value()) {
      share.why += "; replicas";
    } else if (IsExplicit(request) && request.tuned.has_value()) {
      share.why += "; replicas by tiffin tune";
    }
    allocation.runners.push_back(std::move(share));
  }
  return allocation;
}

}  // namespace tiffin::gateway
