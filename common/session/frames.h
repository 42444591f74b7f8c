#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/shm/reference.h"
#include "common/tensor.h"
#include "tiffin/worker/v1/worker.pb.h"

// What both ends of a session agree on beyond the messages themselves.
namespace tiffin::session {

inline constexpr uint32_t kProtocolVersion = 4;
inline constexpr char kAttachMethod[] = "/tiffin.worker.v1.Worker/Attach";
// Tensors up to this size travel in the frame: cheaper than a lease and its release.
inline constexpr size_t kInlineLimit = 512;
// Larger ones, where nothing is shared, travel in pieces of at most this size.
inline constexpr size_t kMaxPiece = size_t{256} << 10;
// Beyond it no message could have brought a tensor.
inline constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 32;
// A worker says at least this often that it lives, and is taken for hung after this silence.
inline constexpr absl::Duration kStateInterval = absl::Milliseconds(500);
inline constexpr absl::Duration kSilenceLimit = absl::Seconds(2);

void SetReference(const shm::Reference& reference, worker::v1::Tensor& tensor);
void SetInline(const TensorView& view, worker::v1::Tensor& tensor);
// Its bytes are to follow in pieces.
void SetInPieces(const TensorView& view, worker::v1::Tensor& tensor);

// The reference of a tensor that has one (`segment` is not 0). Its dtype is kInvalid for a number
// that names none; nothing else is checked.
shm::Reference ToReference(const worker::v1::Tensor& tensor);
// An inline tensor, checked against its own dtype and shape. The view is into `tensor`; its bytes
// are not aligned.
absl::StatusOr<TensorView> InlineView(const worker::v1::Tensor& tensor);
// A tensor that comes in pieces, without its bytes: its size fits its dtype and shape.
absl::StatusOr<TensorView> PromisedView(const worker::v1::Tensor& tensor);

}  // namespace tiffin::session
