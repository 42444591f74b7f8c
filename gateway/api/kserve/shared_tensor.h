#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "gateway/api/kserve/shared_memory.h"
#include "gateway/api/kserve/shared_region.h"
#include "google/protobuf/map.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {

using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

// Where a tensor lies in a region, or is to be put.
struct SharedTensor {
  // Shared with the registry: it stays open for this request, whoever unregisters it meanwhile.
  std::shared_ptr<const SharedRegion> region;
  uint64_t offset = 0;
  uint64_t byte_size = 0;
};

// True if the parameters say that the tensor is in a region.
bool IsShared(const Parameters& parameters);

// Says how to turn it on. `what` names the tensor in errors ("input 'x'").
absl::Status SharedMemoryIsOff(std::string_view what);

// What the parameters shared_memory_region, _byte_size and _offset of a tensor say, checked against
// the region; nullopt if there are none. `memory`: null if clients may not share theirs.
absl::StatusOr<std::optional<SharedTensor>> SharedTensorOf(std::string_view what,
                                                           const Parameters& parameters,
                                                           const SharedMemory* memory);

// The parameters of a tensor that has been put where `tensor` says, and has `byte_size` bytes.
void SetSharedParameters(const SharedTensor& tensor, uint64_t byte_size, Parameters& parameters);

}  // namespace tiffin::gateway::kserve
