#include "worker/runtime/call_outputs.h"

#include <utility>

#include "common/session/frames.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
CallOutputs::CallOutputs(const QueuedCall& call)
    : call_(call), outputs_(call.signature->outputs.size()) {}

CallOutputs::~CallOutputs() {
  for (const Output& output : outputs_) {
    if (output.allocation.has_value()) call_.peer->Free(*output.allocation);
  }
}

absl::StatusOr<std::span<std::byte>> CallOutputs::Allocate(size_t index, DataType dtype,
                                                           std::span<const int64_t> shape,
                                                           uint64_t byte_size) {
  if (index >= outputs_.size()) {
    return absl::InternalError(
        StrCat("the backend filled output ", index, " of ", outputs_.size()));
  }
  Output& output = outputs_[index];
  if (output.dtype != DataType::kInvalid) {
    return absl::InternalError(StrCat("the backend filled output ", index, " twice"));
  }
  if (dtype != DataType::kBytes) {
    ASSIGN_OR_RETURN(const uint64_t expected, ByteSize(dtype, shape));
    if (expected != byte_size) {
      return absl::InternalError(StrCat("the backend gave output ", index, " ", byte_size,
                                        " bytes for a shape of ", expected));
    }
  }
  if (byte_size <= session::kInlineLimit) {
    output.memory = AlignedBuffer(byte_size);
    output.bytes = output.memory.bytes();
  } else {
    ASSIGN_OR_RETURN(output.allocation, call_.peer->Allocate(byte_size));
    output.bytes = output.allocation->bytes;
  }
  output.dtype = dtype;
  output.shape.assign(shape.begin(), shape.end());
  return output.bytes;
}

absl::Status CallOutputs::CheckComplete() const {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].dtype == DataType::kInvalid) {
      return absl::InternalError(
          StrCat("the backend left output '", call_.signature->outputs[i].name, "' empty"));
    }
  }
  return absl::OkStatus();
}

void CallOutputs::MoveTo(v1::Result& result) {
  std::vector<shm::Allocation> leased;
  for (Output& output : outputs_) {
    v1::Tensor& tensor = *result.add_outputs();
    if (output.allocation.has_value()) {
      session::SetReference({.segment = output.allocation->segment,
                             .offset = output.allocation->offset,
                             .size = output.bytes.size(),
                             .dtype = output.dtype,
                             .shape = output.shape},
                            tensor);
      leased.push_back(*std::exchange(output.allocation, std::nullopt));
    } else {
      session::SetInline({.dtype = output.dtype, .shape = output.shape, .bytes = output.bytes},
                         tensor);
    }
  }
  if (!leased.empty()) call_.peer->Lease(call_.id, std::move(leased));
}

}  // namespace tiffin::worker
