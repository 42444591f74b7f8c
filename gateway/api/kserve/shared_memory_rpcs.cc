#include "gateway/api/kserve/shared_memory_rpcs.h"

#include <utility>

#include "common/strings.h"
#include "gateway/api/access.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::kserve {
namespace {

constexpr std::string_view kSystem = "SystemSharedMemory";
constexpr std::string_view kCuda = "CudaSharedMemory";

absl::StatusOr<inference::SystemSharedMemoryStatusResponse> StatusOf(
    const inference::SystemSharedMemoryStatusRequest& request, const SharedMemory& memory) {
  inference::SystemSharedMemoryStatusResponse response;
  auto& regions = *response.mutable_regions();
  for (RegionSpec& spec : memory.List()) {
    if (!request.name().empty() && request.name() != spec.name) continue;
    auto& region = regions[spec.name];
    region.set_name(spec.name);
    region.set_key(std::move(spec.key));
    region.set_offset(spec.offset);
    region.set_byte_size(spec.byte_size);
  }
  if (regions.empty() && !request.name().empty()) {
    return absl::NotFoundError(StrCat("Unable to find system shared memory region: '",
                                      BoundedUtf8(request.name(), 256), "'; register it first"));
  }
  return response;
}

absl::Status Unimplemented(std::string_view method, std::string_view why) {
  return absl::UnimplementedError(
      StrCat("inference.GRPCInferenceService/", BoundedUtf8(method, 200), ": ", why));
}

}  // namespace

bool AnswerSharedMemory(std::string_view method, Rpc& rpc, SharedMemory* memory) {
  if (method.starts_with(kCuda)) {
    FinishWith(rpc, Unimplemented(method,
                                  "this server takes and gives no GPU memory; use the system's "
                                  "shared memory, or send and take tensors in the messages"));
    return true;
  }
  if (!method.starts_with(kSystem)) return false;
  if (memory == nullptr) {
    FinishWith(rpc, Unimplemented(method, kSharedMemoryIsOff));
    return true;
  }
  if (absl::Status allowed = CheckAccessToAll(rpc.caller(), "shared memory"); !allowed.ok()) {
    FinishWith(rpc, allowed);
    return true;
  }
  method.remove_prefix(kSystem.size());
  if (method == "Register") {
    AnswerUnary<inference::SystemSharedMemoryRegisterRequest>(
        rpc,
        [memory](
            const auto& request) -> absl::StatusOr<inference::SystemSharedMemoryRegisterResponse> {
          absl::Status registered = memory->Register({.name = request.name(),
                                                      .key = request.key(),
                                                      .offset = request.offset(),
                                                      .byte_size = request.byte_size()});
          if (!registered.ok()) return registered;
          return inference::SystemSharedMemoryRegisterResponse();
        });
  } else if (method == "Status") {
    AnswerUnary<inference::SystemSharedMemoryStatusRequest>(
        rpc, [memory](const auto& request) { return StatusOf(request, *memory); });
  } else if (method == "Unregister") {
    AnswerUnary<inference::SystemSharedMemoryUnregisterRequest>(
        rpc,
        [memory](const auto& request)
            -> absl::StatusOr<inference::SystemSharedMemoryUnregisterResponse> {
          if (request.name().empty()) {
            memory->UnregisterAll();
          } else {
            memory->Unregister(request.name());
          }
          return inference::SystemSharedMemoryUnregisterResponse();
        });
  } else {
    return false;
  }
  return true;
}

}  // namespace tiffin::gateway::kserve
