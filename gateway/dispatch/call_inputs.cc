#include "gateway/dispatch/call_inputs.h"

#include <span>
#include <utility>

#include "common/session/frames.h"
#include "common/status_macros.h"

namespace tiffin::gateway {
namespace {

// The shape in a frame: no row dimension for a method that is not batchable, but [1] for the kinds
// that are a single element.
Shape FrameShape(const Value& value, const TensorSpec& spec, bool batchable) {
  if (batchable || spec.type.kind != ValueKind::kTensor) return value.shape;
  return {value.shape.begin() + 1, value.shape.end()};
}

}  // namespace

CallInputs::CallInputs(GatewayMemory& memory, absl::AnyInvocable<void(const SegmentName&)> announce)
    : memory_(memory), announce_(std::move(announce)) {}

absl::StatusOr<CallInputs::Held> CallInputs::Hold(const Call& call) {
  Held all;
  for (const Value& input : call.inputs) {
    ASSIGN_OR_RETURN(std::shared_ptr<const Buffer> held, HoldInput(input));
    all.push_back(std::move(held));
  }
  return all;
}

absl::StatusOr<std::vector<session::OutgoingTensor>> CallInputs::Fill(
    const Call& call, const Held& held, worker::v1::Execute& execute) {
  std::vector<session::OutgoingTensor> in_pieces;
  execute.set_method(*call.method);
  execute.set_rows(call.rows);
  execute.set_request_id(call.request_id);
  worker::v1::Trace& trace = *execute.mutable_trace();
  trace.set_trace_high(call.trace.trace_high);
  trace.set_trace_low(call.trace.trace_low);
  trace.set_span(call.trace.span);
  trace.set_flags(call.trace.flags);
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const Shape shape =
        FrameShape(call.inputs[i], call.signature->inputs[i], call.signature->batchable);
    worker::v1::Tensor& tensor = *execute.add_inputs();
    if (announce_ == nullptr && held[i]->size() > session::kInlineLimit) {
      ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, held[i]->Bytes());
      session::SetInPieces({.dtype = call.inputs[i].dtype, .shape = shape, .bytes = bytes}, tensor);
      in_pieces.push_back({.call = execute.call(),
                           .tensor = static_cast<uint32_t>(i),
                           .bytes = bytes,
                           .keeper = held[i]});
      continue;
    }
    RETURN_IF_ERROR(FillInput(call.inputs[i].dtype, shape, *held[i], tensor));
  }
  return in_pieces;
}

absl::StatusOr<std::shared_ptr<const Buffer>> CallInputs::HoldInput(const Value& value) {
  if (announce_ == nullptr) return value.buffer;
  const bool in_segment = dynamic_cast<const SegmentBuffer*>(value.buffer.get()) != nullptr;
  if (in_segment || value.buffer->size() <= session::kInlineLimit) return value.buffer;
  ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, value.buffer->Bytes());
  return memory_.CopyToSegment(bytes);
}

absl::Status CallInputs::FillInput(DataType dtype, const Shape& shape, const Buffer& buffer,
                                   worker::v1::Tensor& tensor) {
  const auto* in_segment = dynamic_cast<const SegmentBuffer*>(&buffer);
  if (in_segment == nullptr || announce_ == nullptr) {
    ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, buffer.Bytes());
    session::SetInline({.dtype = dtype, .shape = shape, .bytes = bytes}, tensor);
    return absl::OkStatus();
  }
  const SegmentName segment = in_segment->segment();
  if (announced_.insert(segment.id).second) announce_(segment);
  session::SetReference({.segment = segment.id,
                         .offset = in_segment->offset(),
                         .size = in_segment->size(),
                         .dtype = dtype,
                         .shape = shape},
                        tensor);
  return absl::OkStatus();
}

}  // namespace tiffin::gateway
