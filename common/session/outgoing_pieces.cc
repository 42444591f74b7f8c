#include "common/session/outgoing_pieces.h"

#include <algorithm>
#include <utility>

#include "common/session/frames.h"

namespace tiffin::session {

OutgoingPieces::Done OutgoingPieces::MoveTo(worker::v1::Frames& message) {
  Done done;
  for (size_t room = kMaxPiece; room > 0 && !tensors_.empty();) {
    OutgoingTensor tensor = std::move(tensors_.front());
    tensors_.pop_front();
    const size_t size = std::min(room, tensor.bytes.size());
    worker::v1::Piece& piece = *message.add_frames()->mutable_piece();
    piece.set_call(tensor.call);
    piece.set_tensor(tensor.tensor);
    piece.set_data(tensor.bytes.data(), size);
    tensor.bytes = tensor.bytes.subspan(size);
    room -= size;
    if (tensor.bytes.empty()) {
      done.push_back(std::move(tensor.keeper));
    } else {
      tensors_.push_back(std::move(tensor));
    }
  }
  return done;
}

OutgoingPieces::Done OutgoingPieces::Drop(uint64_t call) {
  Done dropped;
  std::erase_if(tensors_, [&](OutgoingTensor& tensor) {
    if (tensor.call != call) return false;
    dropped.push_back(std::move(tensor.keeper));
    return true;
  });
  return dropped;
}

OutgoingPieces::Done OutgoingPieces::DropAll() {
  Done dropped;
  for (OutgoingTensor& tensor : tensors_) dropped.push_back(std::move(tensor.keeper));
  tensors_.clear();
  return dropped;
}

}  // namespace tiffin::session
