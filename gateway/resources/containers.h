#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/resources/allocation.h"

// What the processes of a gateway need where each is a container of its own, as in Kubernetes.
namespace tiffin::gateway {

// From the largest message follows what else a process may hold.
struct ContainerLimits {
  int64_t max_message = int64_t{32} << 20;

  int64_t in_flight() const { return 2 * max_message; }  // As --in-flight-limit.
  int64_t segments() const { return 4 * max_message; }   // As --segment-limit.
};

struct ContainerNeeds {
  std::string name;  // A DNS label: "gateway", or "service-runner" with '-' for '_'.
  int replicas = 1;
  std::vector<std::string> arguments;  // What its program must be told, lest it takes more.
  double cpu_request = 0;
  double cpu_limit = 0;
  uint64_t memory = 0;  // Bytes: the request and the limit.
};

// The gateway's needs, then those of the runners in their order. `peaks`: for each runner the most
// memory that its worker had resident when it loaded.
//
// A worker's cores are its share of the budget, and at most one for each thread. Its memory is half
// as much again as loading took, and twice its segments, for no process takes more than half of
// what its cgroup leaves for these (common/cgroup.h). The gateway holds requests and answers, over
// gRPC and over HTTP, beside its segments. All in steps of 64 MiB.
//
// INVALID_ARGUMENT: a name is too long for a DNS label, or two runners would have the same.
absl::StatusOr<std::vector<ContainerNeeds>> ContainersOf(const Allocation& allocation,
                                                         std::span<const uint64_t> peaks,
                                                         const ContainerLimits& limits);

// As YAML: a list of containers with name, replicas, args and resources.
std::string ContainersYaml(const Allocation& allocation,
                           std::span<const ContainerNeeds> containers);

}  // namespace tiffin::gateway
