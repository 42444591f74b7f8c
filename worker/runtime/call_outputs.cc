#include "worker/runtime/call_outputs.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/session/frames.h"
#include "common/shm/reference.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {

CallOutputs::CallOutputs(std::span<const std::shared_ptr<QueuedCall>> calls)
    : calls_(calls), signature_(*calls.front()->signature), outputs_(signature_.outputs.size()) {
  for (const auto& call : calls) rows_ += call->rows;
}

CallOutputs::~CallOutputs() {
  for (const Output& output : outputs_) {
    for (size_t i = 0; i < output.holders; ++i) calls_.front()->peer->Free(*output.allocation);
  }
}

bool CallOutputs::CanBeShared(uint64_t row_size) const {
  uint64_t start = 0;
  for (const auto& call : calls_) {
    if (call->peer != calls_.front()->peer || start % shm::kAlignment != 0) return false;
    start += static_cast<uint64_t>(call->rows) * row_size;
  }
  return true;
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
  bool shared = true;
  if (calls_.size() > 1) {
    if (shape.empty() || shape[0] != rows_) {
      return absl::InternalError(StrCat("the backend gave output ", index, " the shape ",
                                        ShapeToString(shape), " for ", rows_, " rows"));
    }
    const uint64_t row_size = byte_size / static_cast<uint64_t>(rows_);
    shared = dtype != DataType::kBytes && CanBeShared(row_size);
  }
  if (byte_size > calls_.size() * session::kInlineLimit) {
    const size_t holders = shared ? calls_.size() : 1;
    ASSIGN_OR_RETURN(output.allocation, calls_.front()->peer->Allocate(byte_size, holders));
    output.bytes = output.allocation->bytes;
    output.shared = shared;
    output.holders = holders;
  } else {
    output.memory = AlignedBuffer(byte_size);
    output.bytes = output.memory.bytes();
  }
  output.dtype = dtype;
  output.shape.assign(shape.begin(), shape.end());
  return output.bytes;
}

absl::Status CallOutputs::Divide(Output& output, const TensorSpec& spec) const {
  if (calls_.size() == 1) {
    output.ends.push_back(output.bytes.size());
    return absl::OkStatus();
  }
  uint64_t end = 0;
  if (output.dtype != DataType::kBytes) {
    const uint64_t row_size = output.bytes.size() / static_cast<uint64_t>(rows_);
    for (const auto& call : calls_) {
      end += static_cast<uint64_t>(call->rows) * row_size;
      output.ends.push_back(end);
    }
    return absl::OkStatus();
  }
  const absl::Status valid =
      ValidateTensor({.dtype = output.dtype, .shape = output.shape, .bytes = output.bytes});
  if (!valid.ok()) {
    return absl::InternalError(StrCat("the backend's output '", spec.name, "': ", valid.message()));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string_view> elements, ParseBytesElements(output.bytes));
  const size_t elements_per_row = elements.size() / static_cast<size_t>(rows_);
  auto element = elements.begin();
  for (const auto& call : calls_) {
    const size_t count = static_cast<size_t>(call->rows) * elements_per_row;
    for (size_t i = 0; i < count; ++i) end += kBytesElementHeader + (element++)->size();
    output.ends.push_back(end);
  }
  return absl::OkStatus();
}

absl::Status CallOutputs::Finish() {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TensorSpec& spec = signature_.outputs[i];
    if (outputs_[i].dtype == DataType::kInvalid) {
      return absl::InternalError(StrCat("the backend left output '", spec.name, "' empty"));
    }
    RETURN_IF_ERROR(Divide(outputs_[i], spec));
  }
  return absl::OkStatus();
}

namespace {

// An output that is being sent: its place is free when that is done.
class SentOutput {
 public:
  SentOutput(std::shared_ptr<Peer> peer, const shm::Allocation& allocation)
      : peer_(std::move(peer)), allocation_(allocation) {}
  ~SentOutput() { peer_->Free(allocation_); }
  SentOutput(const SentOutput&) = delete;
  SentOutput& operator=(const SentOutput&) = delete;

 private:
  const std::shared_ptr<Peer> peer_;  // Shared with the session and its calls.
  const shm::Allocation allocation_;
};

}  // namespace

absl::StatusOr<std::vector<session::OutgoingTensor>> CallOutputs::MoveTo(size_t call,
                                                                         v1::Result& result) {
  Peer& peer = *calls_[call]->peer;
  std::vector<shm::Allocation> leased;
  std::vector<session::OutgoingTensor> sent;
  for (Output& output : outputs_) {
    const uint64_t start = call == 0 ? 0 : output.ends[call - 1];
    const std::span<std::byte> bytes = output.bytes.subspan(start, output.ends[call] - start);
    Shape shape = output.shape;
    if (calls_.size() > 1) shape[0] = calls_[call]->rows;
    v1::Tensor& tensor = *result.add_outputs();
    if (bytes.size() <= session::kInlineLimit) {
      session::SetInline({.dtype = output.dtype, .shape = std::move(shape), .bytes = bytes},
                         tensor);
      continue;
    }
    uint64_t offset = 0;  // In the allocation.
    if (output.shared) {
      leased.push_back(*output.allocation);
      --output.holders;
      offset = start;
    } else {
      const auto copy = peer.Allocate(bytes.size());
      if (!copy.ok()) {
        for (const shm::Allocation& allocation : leased) peer.Free(allocation);
        return copy.status();
      }
      std::memcpy(copy->bytes.data(), bytes.data(), bytes.size());
      leased.push_back(*copy);
    }
    if (peer.tensors() == Peer::Tensors::kInline) {
      const std::span<const std::byte> whole = leased.back().bytes.subspan(offset, bytes.size());
      session::SetInPieces({.dtype = output.dtype, .shape = std::move(shape), .bytes = whole},
                           tensor);
      sent.push_back({.call = calls_[call]->id,
                      .tensor = static_cast<uint32_t>(result.outputs_size() - 1),
                      .bytes = whole,
                      .keeper = std::make_shared<SentOutput>(calls_[call]->peer, leased.back())});
      leased.pop_back();
      continue;
    }
    session::SetReference({.segment = leased.back().segment,
                           .offset = leased.back().offset + offset,
                           .size = bytes.size(),
                           .dtype = output.dtype,
                           .shape = std::move(shape)},
                          tensor);
  }
  if (!leased.empty()) peer.Lease(calls_[call]->id, std::move(leased));
  return sent;
}

}  // namespace tiffin::worker
