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

}  // namespace tiffin::session
