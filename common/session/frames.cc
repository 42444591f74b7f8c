#include "common/session/frames.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::session {
namespace {

void SetShape(std::span<const int64_t> shape, worker::v1::Tensor& tensor) {
  tensor.mutable_shape()->Assign(shape.begin(), shape.end());
}

DataType ToDataType(uint32_t number) {
  return IsDataType(number) ? static_cast<DataType>(number) : DataType::kInvalid;
}

}  // namespace

void SetReference(const shm::Reference& reference, worker::v1::Tensor& tensor) {
  tensor.set_dtype(static_cast<uint32_t>(reference.dtype));
  SetShape(reference.shape, tensor);
  tensor.set_segment(reference.segment);
  tensor.set_offset(reference.offset);
  tensor.set_size(reference.size);
}

void SetInline(const TensorView& view, worker::v1::Tensor& tensor) {
  tensor.set_dtype(static_cast<uint32_t>(view.dtype));
  SetShape(view.shape, tensor);
  tensor.set_inline_bytes(view.bytes.data(), view.bytes.size());
}

void SetInPieces(const TensorView& view, worker::v1::Tensor& tensor) {
  tensor.set_dtype(static_cast<uint32_t>(view.dtype));
  SetShape(view.shape, tensor);
  tensor.set_size(view.bytes.size());
  tensor.set_in_pieces(true);
}

shm::Reference ToReference(const worker::v1::Tensor& tensor) {
  return {.segment = tensor.segment(),
          .offset = tensor.offset(),
          .size = tensor.size(),
          .dtype = ToDataType(tensor.dtype()),
          .shape = Shape(tensor.shape().begin(), tensor.shape().end())};
}

absl::StatusOr<TensorView> InlineView(const worker::v1::Tensor& tensor) {
  TensorView view{.dtype = ToDataType(tensor.dtype()),
                  .shape = Shape(tensor.shape().begin(), tensor.shape().end()),
                  .bytes = AsBytes(tensor.inline_bytes())};
  if (view.dtype == DataType::kInvalid) {
    return absl::InvalidArgumentError(StrCat("unknown data type number ", tensor.dtype()));
  }
  RETURN_IF_ERROR(ValidateTensor(view));
  return view;
}

absl::StatusOr<TensorView> PromisedView(const worker::v1::Tensor& tensor) {
  TensorView view{.dtype = ToDataType(tensor.dtype()),
                  .shape = Shape(tensor.shape().begin(), tensor.shape().end()),
                  .bytes = {}};
  if (view.dtype == DataType::kInvalid) {
    return absl::InvalidArgumentError(StrCat("unknown data type number ", tensor.dtype()));
  }
  if (tensor.segment() != 0 || !tensor.inline_bytes().empty() || tensor.size() == 0 ||
      tensor.size() > kMaxTensorBytes) {
    return absl::InvalidArgumentError(
        StrCat("a tensor of ", tensor.size(), " bytes in pieces, of 1 to ", kMaxTensorBytes));
  }
  if (view.dtype == DataType::kBytes) return view;
  ASSIGN_OR_RETURN(const uint64_t size, ByteSize(view.dtype, view.shape));
  if (size != tensor.size()) {
    return absl::InvalidArgumentError(StrCat("a tensor of ", tensor.size(),
                                             " bytes in pieces, whose shape ",
                                             ShapeToString(view.shape), " has ", size));
  }
  return view;
}

}  // namespace tiffin::session
