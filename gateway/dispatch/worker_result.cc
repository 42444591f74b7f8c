#include "gateway/dispatch/worker_result.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/session/frames.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// Beyond these a worker lies; statistics are spared.
constexpr uint64_t kLongestUs = uint64_t{24} * 60 * 60 * 1'000'000;
constexpr uint64_t kMostRows = std::numeric_limits<int32_t>::max();

absl::Duration TakeTime(uint64_t microseconds) {
  return absl::Microseconds(static_cast<int64_t>(std::min(microseconds, kLongestUs)));
}

// Inside the graph rows always come first; a method that takes one row at a time names none.
absl::Status CheckFits(DataType dtype, const Shape& shape, const TensorSpec& spec,
                       const CallForm& call) {
  Shape expected = spec.type.shape;
  const bool is_single = spec.type.kind != ValueKind::kTensor;
  if (call.signature.batchable || is_single) expected.insert(expected.begin(), call.rows);
  if (dtype == spec.type.dtype && ShapeMatches(shape, expected)) return absl::OkStatus();
  return absl::InternalError(StrCat("is ", DataTypeName(dtype), ShapeToString(shape),
                                    ", but the signature says ", DataTypeName(spec.type.dtype),
                                    ShapeToString(expected)));
}

absl::Status WrongOutput(const TensorSpec& spec, const absl::Status& why) {
  return absl::InternalError(StrCat("the worker's output '", spec.name, "': ", why.message()));
}

absl::StatusOr<Value> TakeOutput(const worker::v1::Tensor& tensor, const TensorSpec& spec,
                                 const CallForm& call, const WorkerSegments& segments,
                                 std::shared_ptr<const ResultLease> lease,
                                 std::shared_ptr<const SegmentBuffer> pieced) {
  Value value;
  if (pieced != nullptr) {
    ASSIGN_OR_RETURN(TensorView view, session::PromisedView(tensor));
    value.dtype = view.dtype;
    value.shape = std::move(view.shape);
    value.buffer = std::move(pieced);
  } else if (tensor.segment() != 0) {
    const std::shared_ptr<WorkerSegment>& segment = segments.at(tensor.segment());
    shm::Reference reference = session::ToReference(tensor);
    RETURN_IF_ERROR(shm::CheckReference(reference, segment->name().size));
    value.dtype = reference.dtype;
    value.shape = reference.shape;
    value.buffer =
        std::make_shared<const WorkerBuffer>(segment, std::move(lease), std::move(reference));
  } else {
    ASSIGN_OR_RETURN(const TensorView view, session::InlineView(tensor));
    value = HeapValue(view.dtype, view.shape, tensor.inline_bytes());
  }
  RETURN_IF_ERROR(CheckFits(value.dtype, value.shape, spec, call));
  if (!call.signature.batchable && spec.type.kind == ValueKind::kTensor) {
    value.shape.insert(value.shape.begin(), 1);
  }
  return value;
}

}  // namespace

absl::Status CheckPromised(const worker::v1::Result& result, const CallForm& call) {
  const auto& specs = call.signature.outputs;
  if (result.code() != 0 || static_cast<size_t>(result.outputs_size()) != specs.size()) {
    return absl::InternalError(StrCat("the worker promised ", result.outputs_size(),
                                      " outputs with code ", result.code(), ", instead of ",
                                      specs.size(), " with none"));
  }
  for (int i = 0; i < result.outputs_size(); ++i) {
    if (!result.outputs(i).in_pieces()) continue;
    const TensorSpec& spec = specs[static_cast<size_t>(i)];
    const absl::StatusOr<TensorView> view = session::PromisedView(result.outputs(i));
    const absl::Status fits =
        view.ok() ? CheckFits(view->dtype, view->shape, spec, call) : view.status();
    if (!fits.ok()) return WrongOutput(spec, fits);
  }
  return absl::OkStatus();
}

absl::StatusOr<CallResult> TakeResult(const worker::v1::Result& result, const CallForm& call,
                                      const WorkerSegments& segments,
                                      const std::shared_ptr<WorkerSession*>& session,
                                      const PiecedOutputs& in_pieces) {
  if (result.code() != 0) {
    if (result.outputs_size() > 0 || result.code() > 16) {
      return absl::InternalError("the worker sent a malformed error");
    }
    return absl::Status(static_cast<absl::StatusCode>(result.code()), result.message());
  }
  auto lease = std::make_shared<ResultLease>(session, result.call());
  uint64_t bytes = 0;
  for (const worker::v1::Tensor& tensor : result.outputs()) {
    if (tensor.segment() == 0) continue;
    bytes += std::clamp<uint64_t>(tensor.size(), 1, session::kMaxTensorBytes);  // Not checked yet.
  }
  if (bytes > 0) lease->Hold(bytes);
  const auto& specs = call.signature.outputs;
  if (static_cast<size_t>(result.outputs_size()) != specs.size()) {
    return absl::InternalError(
        StrCat("the worker sent ", result.outputs_size(), " outputs instead of ", specs.size()));
  }
  CallResult taken;
  taken.timings = {
      .queue = TakeTime(result.queue_us()),
      .batch = TakeTime(result.batch_us()),
      .compute = TakeTime(result.compute_us()),
  };
  if (result.executed_rows() > 0) {
    taken.executions.push_back(
        {.rows = static_cast<int64_t>(std::min(result.executed_rows(), kMostRows)),
         .count = 1,
         .compute = taken.timings.compute});
  }
  auto next_in_pieces = in_pieces.begin();
  for (int i = 0; i < result.outputs_size(); ++i) {
    const TensorSpec& spec = specs[static_cast<size_t>(i)];
    const worker::v1::Tensor& tensor = result.outputs(i);
    std::shared_ptr<const SegmentBuffer> pieced;
    if (tensor.in_pieces()) {
      if (next_in_pieces == in_pieces.end()) {
        return absl::InternalError("the worker's outputs have not come whole");
      }
      pieced = *next_in_pieces++;
    }
    auto value = TakeOutput(tensor, spec, call, segments, tensor.segment() != 0 ? lease : nullptr,
                            std::move(pieced));
    if (!value.ok()) return WrongOutput(spec, value.status());
    taken.outputs.push_back(*std::move(value));
  }
  return taken;
}

}  // namespace tiffin::gateway
