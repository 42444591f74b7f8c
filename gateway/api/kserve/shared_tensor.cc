#include "gateway/api/kserve/shared_tensor.h"

#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/status.h"

namespace tiffin::gateway::kserve {
namespace {

constexpr char kRegion[] = "shared_memory_region";
constexpr char kByteSize[] = "shared_memory_byte_size";
constexpr char kOffset[] = "shared_memory_offset";

absl::Status BadParameter(std::string_view what, std::string_view name, std::string_view expected) {
  return absl::InvalidArgumentError(
      StrCat(what, ": the parameter '", name, "' must be ", expected));
}

// nullopt if it is not there.
absl::StatusOr<std::optional<uint64_t>> SizeParameter(std::string_view what,
                                                      const Parameters& parameters,
                                                      const char* name) {
  const auto it = parameters.find(name);
  if (it == parameters.end()) return std::nullopt;
  if (!it->second.has_int64_param() || it->second.int64_param() < 0) {
    return BadParameter(what, name, "a number of bytes, as int64_param");
  }
  return static_cast<uint64_t>(it->second.int64_param());
}

}  // namespace

bool IsShared(const Parameters& parameters) { return parameters.contains(kRegion); }

absl::Status SharedMemoryIsOff(std::string_view what) {
  return absl::InvalidArgumentError(
      StrCat(what, " has the parameter '", kRegion, "', but ", kSharedMemoryIsOff));
}

absl::StatusOr<std::optional<SharedTensor>> SharedTensorOf(std::string_view what,
                                                           const Parameters& parameters,
                                                           const SharedMemory* memory) {
  ASSIGN_OR_RETURN(const std::optional<uint64_t> offset, SizeParameter(what, parameters, kOffset));
  ASSIGN_OR_RETURN(const std::optional<uint64_t> byte_size,
                   SizeParameter(what, parameters, kByteSize));
  const auto name = parameters.find(kRegion);
  if (name == parameters.end()) {
    if (!offset.has_value() && !byte_size.has_value()) return std::nullopt;
    return absl::InvalidArgumentError(StrCat(what, " has the parameter '",
                                             offset.has_value() ? kOffset : kByteSize,
                                             "', but no '", kRegion, "'; name the region too"));
  }
  if (memory == nullptr) return SharedMemoryIsOff(what);
  if (!name->second.has_string_param()) {
    return BadParameter(what, kRegion, "a region's name, as string_param");
  }
  if (!byte_size.has_value()) {
    return absl::InvalidArgumentError(
        StrCat(what, " has the parameter '", kRegion, "', but no '", kByteSize, "'; give both"));
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const SharedRegion> region,
                   memory->Find(name->second.string_param()));
  SharedTensor tensor{
      .region = std::move(region), .offset = offset.value_or(0), .byte_size = *byte_size};
  if (absl::Status fits = tensor.region->CheckRange(tensor.offset, tensor.byte_size); !fits.ok()) {
    return Annotate(fits, what);
  }
  return tensor;
}

void SetSharedParameters(const SharedTensor& tensor, uint64_t byte_size, Parameters& parameters) {
  parameters[kRegion].set_string_param(tensor.region->spec().name);
  parameters[kByteSize].set_int64_param(static_cast<int64_t>(byte_size));
  if (tensor.offset != 0) {
    parameters[kOffset].set_int64_param(static_cast<int64_t>(tensor.offset));
  }
}

}  // namespace tiffin::gateway::kserve
