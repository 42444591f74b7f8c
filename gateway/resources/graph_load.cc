#include "gateway/resources/graph_load.h"

#include <set>
#include <utility>

#include "common/strings.h"

namespace tiffin::gateway {

std::vector<GraphLoad> LoadsOf(const PlannedService& service,
                               std::span<const std::string> runners) {
  std::vector<GraphLoad> loads;
  std::set<std::string> called;
  for (const PlannedApi& api : service.apis) {
    GraphLoad load{.name = StrCat(service.name, ".", api.name), .steps = {}};
    for (const PlannedStep& step : api.steps) {
      GraphLoad::Step wanted{.runner = "", .method = "", .needs = step.needs};
      if (const PlannedCall* call = step.call()) {
        wanted.runner = call->runner;
        wanted.method = call->method;
        called.insert(call->runner);
      }
      load.steps.push_back(std::move(wanted));
    }
    loads.push_back(std::move(load));
  }
  for (const std::string& runner : runners) {
    if (called.contains(runner)) continue;
    GraphLoad load{.name = StrCat(service.name, ".", runner), .steps = {}};
    load.steps.push_back({.runner = runner, .method = "", .needs = {}});
    loads.push_back(std::move(load));
  }
  return loads;
}

}  // namespace tiffin::gateway
