#include "worker/runtime/make_call.h"

#include <utility>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/session/frames.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::worker {
namespace {

// What a call's inputs that come in pieces lie in.
struct PiecedInputs {
  ByteBudget::Share share;
  std::vector<AlignedBuffer> memory;
};

// The shape that a call's input must have.
Shape ExpectedShape(const MethodSignature& method, const TensorSpec& spec, int64_t rows) {
  Shape shape;
  if (method.batchable) shape.push_back(rows);
  if (spec.type.kind != ValueKind::kTensor && !method.batchable) return {1};
  shape.insert(shape.end(), spec.type.shape.begin(), spec.type.shape.end());
  return shape;
}

absl::Status ResolveInput(const v1::Tensor& tensor, const TensorSpec& spec, const CallParts& parts,
                          QueuedCall& call) {
  TensorView view;
  if (tensor.segment() != 0) {
    const std::shared_ptr<InputSegment>& segment = parts.segments.at(tensor.segment());
    ASSIGN_OR_RETURN(InputSegment::Mapping mapping, segment->Map());
    ASSIGN_OR_RETURN(view, shm::Resolve(session::ToReference(tensor), BytesOf(*mapping)));
    call.shared.push_back({segment, std::move(mapping), view.bytes});
  } else if (tensor.in_pieces()) {
    ASSIGN_OR_RETURN(view, session::PromisedView(tensor));
  } else {
    ASSIGN_OR_RETURN(view, session::InlineView(tensor));
    auto copy = std::make_shared<AlignedBuffer>(AlignedBuffer::Copy(view.bytes));
    view.bytes = copy->bytes();
    call.holds.push_back(std::move(copy));
  }
  const Shape expected = ExpectedShape(*call.signature, spec, call.rows);
  if (view.dtype != spec.type.dtype || !ShapeMatches(view.shape, expected)) {
    return absl::InvalidArgumentError(StrCat("expected ", DataTypeName(spec.type.dtype),
                                             ShapeToString(expected), ", got ",
                                             DataTypeName(view.dtype), ShapeToString(view.shape)));
  }
  call.inputs.push_back(std::move(view));
  return absl::OkStatus();
}

// For all inputs that come in pieces, or for none.
absl::Status MakeRoom(const v1::Execute& execute, const CallParts& parts, QueuedCall& call) {
  uint64_t size = 0;
  size_t count = 0;
  for (const v1::Tensor& tensor : execute.inputs()) {
    if (!tensor.in_pieces()) continue;
    size += tensor.size();  // Far from overflow: see PromisedView.
    ++count;
  }
  if (count == 0) return absl::OkStatus();
  auto room = std::make_shared<PiecedInputs>();
  room->share = parts.incoming.Begin(parts.tenant);
  if (!room->share.Resize(size)) {
    return absl::ResourceExhaustedError(
        StrCat("no room for ", size, " bytes of inputs: too many, of this gateway or of others, ",
               "are coming to this worker, or waiting in it, at once (--segment-limit)"));
  }
  room->memory.reserve(count);
  for (int i = 0; i < execute.inputs_size(); ++i) {
    if (!execute.inputs(i).in_pieces()) continue;
    AlignedBuffer& memory = room->memory.emplace_back(execute.inputs(i).size());
    call.inputs[static_cast<size_t>(i)].bytes = memory.bytes();
    call.promised.push_back(memory.bytes().data());
  }
  call.holds.push_back(std::move(room));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<QueuedCall>> MakeCall(const v1::Execute& execute,
                                                     const CallParts& parts) {
  const auto method = parts.signature.find(execute.method());
  if (method == parts.signature.end()) {
    return absl::NotFoundError(StrCat("no method '", execute.method(), "'"));
  }
  const MethodSignature& signature = method->second;
  auto call = std::make_shared<QueuedCall>();
  call->peer = parts.peer;
  call->gateway = parts.gateway;
  call->id = execute.call();
  call->origin = OriginOf(execute);
  call->method = execute.method();
  call->signature = &signature;
  call->rows = execute.rows();
  call->alone = execute.alone();
  if (call->rows < 1 || (!signature.batchable && call->rows != 1)) {
    return absl::InvalidArgumentError(StrCat(call->rows, " rows for '", call->method, "'"));
  }
  if (signature.max_batch_size > 0 && call->rows > signature.max_batch_size) {
    return absl::InvalidArgumentError(StrCat(call->rows, " rows for '", call->method,
                                             "', which takes at most ", signature.max_batch_size));
  }
  if (static_cast<size_t>(execute.inputs_size()) != signature.inputs.size()) {
    return absl::InvalidArgumentError(StrCat("'", call->method, "' takes ", signature.inputs.size(),
                                             " inputs, not ", execute.inputs_size()));
  }
  for (int i = 0; i < execute.inputs_size(); ++i) {
    const TensorSpec& spec = signature.inputs[static_cast<size_t>(i)];
    if (const absl::Status status = ResolveInput(execute.inputs(i), spec, parts, *call);
        !status.ok()) {
      return absl::Status(status.code(), StrCat("input '", spec.name, "': ", status.message()));
    }
  }
  RETURN_IF_ERROR(MakeRoom(execute, parts, *call));
  return call;
}

}  // namespace tiffin::worker
