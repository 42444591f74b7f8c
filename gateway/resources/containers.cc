#include "gateway/resources/containers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr uint64_t kMemoryStep = uint64_t{64} << 20;
// A gateway without a request, several times over: connections and queues have their bounds, and
// what clients send has its own.
constexpr uint64_t kGatewayMemory = uint64_t{64} << 20;
// A loop is two threads, of which one has the turn; HTTP is one more.
constexpr double kGatewayCpu = 0.5;
constexpr double kGatewayMostCpu = 2;
// Of a worker that others left nothing: an autoscaler can't reckon with a request of 0.
constexpr double kLeastCpu = 0.01;
constexpr size_t kMaxLabel = 63;

std::string ContainerName(std::string_view runner) {
  std::string name(runner);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '_' || c == '.'; }, '-');
  return name;
}

uint64_t InSteps(uint64_t bytes) { return (bytes + kMemoryStep - 1) / kMemoryStep * kMemoryStep; }

ContainerNeeds GatewayNeeds(const ContainerLimits& limits) {
  const auto in_flight = static_cast<uint64_t>(limits.in_flight());
  const auto segments = static_cast<uint64_t>(limits.segments());
  return {.name = "gateway",
          .replicas = 1,
          .arguments = {"--max-message", StrCat(limits.max_message), "--in-flight-limit",
                        StrCat(limits.in_flight()), "--segment-limit", StrCat(limits.segments())},
          .cpu_request = kGatewayCpu,
          .cpu_limit = kGatewayMostCpu,
          // Requests and answers, of gRPC and of HTTP each.
          .memory = InSteps(kGatewayMemory + 4 * in_flight + 2 * segments)};
}

ContainerNeeds WorkerNeeds(const RunnerShare& share, uint64_t peak, const ContainerLimits& limits) {
  const auto segments = static_cast<uint64_t>(limits.segments());
  return {.name = ContainerName(share.name),
          .replicas = share.workers.replicas,
          .arguments = {"--threads", StrCat(share.workers.threads), "--segment-limit",
                        StrCat(limits.segments())},
          .cpu_request = std::max(share.cpu, kLeastCpu),
          .cpu_limit = std::max<double>(share.workers.threads, std::ceil(share.cpu)),
          .memory = InSteps(peak + peak / 2 + 2 * segments)};
}

// "500m", "2".
std::string CpuText(double cores) {
  const auto milli = static_cast<int64_t>(std::ceil(cores * 1000 - 1e-6));
  return milli % 1000 == 0 ? StrCat(milli / 1000) : StrCat(milli, "m");
}

std::string Quoted(const std::string& text) { return StrCat("\"", text, "\""); }

}  // namespace

absl::StatusOr<std::vector<ContainerNeeds>> ContainersOf(const Allocation& allocation,
                                                         std::span<const uint64_t> peaks,
                                                         const ContainerLimits& limits) {
  std::vector<ContainerNeeds> containers = {GatewayNeeds(limits)};
  std::map<std::string, std::string> runners;  // By the names of their containers.
  for (size_t i = 0; i < allocation.runners.size(); ++i) {
    const RunnerShare& share = allocation.runners[i];
    containers.push_back(WorkerNeeds(share, peaks[i], limits));
    const std::string& name = containers.back().name;
    if (name.size() > kMaxLabel) {
      return absl::InvalidArgumentError(StrCat(
          "runner '", share.name, "': as the name of a container '", name, "' has more than ",
          kMaxLabel, " characters; shorten the name of the service or of the runner"));
    }
    const auto [same, is_new] = runners.emplace(name, share.name);
    if (!is_new) {
      return absl::InvalidArgumentError(StrCat("the runners '", same->second, "' and '", share.name,
                                               "' would both be the container '", name,
                                               "'; rename one of them"));
    }
  }
  return containers;
}

std::string ContainersYaml(const Allocation& allocation,
                           std::span<const ContainerNeeds> containers) {
  std::string text =
      StrCat("# For ", allocation.budget.cores, " cores (", allocation.budget.why, ").\n");
  for (const ContainerNeeds& container : containers) {
    const std::string args =
        absl::StrJoin(container.arguments, ", ",
                      [](std::string* out, const std::string& arg) { out->append(Quoted(arg)); });
    const std::string memory = StrCat(container.memory >> 20, "Mi");
    text += StrCat(
        "- name: ", container.name, "\n", "  replicas: ", container.replicas, "\n", "  args: [",
        args, "]\n", "  resources:\n",
        "    requests: {cpu: ", Quoted(CpuText(container.cpu_request)), ", memory: ", memory, "}\n",
        "    limits: {cpu: ", Quoted(CpuText(container.cpu_limit)), ", memory: ", memory, "}\n");
  }
  return text;
}

}  // namespace tiffin::gateway
