#include "common/session/frame_assembler.h"

#include "common/strings.h"
#include "common/tensor.h"

namespace tiffin::session {

absl::StatusOr<worker::v1::Frames*> FrameAssembler::Add(uint64_t total,
                                                        std::span<const std::byte> piece) {
  if (total > kMaxMessageBytes) {
    return absl::InvalidArgumentError(StrCat(
        "a message of ", total, " bytes on the session's socket, the limit is ", kMaxMessageBytes));
  }
  if (total_ == 0 && piece.size() == total) return Parse(piece);  // The usual case: no copy.
  if (total_ == 0) total_ = total;
  if (total != total_ || piece.size() > total_ - message_.size()) {
    return absl::InvalidArgumentError(
        StrCat("a piece of a message of ", total, " bytes on the session's socket, where ",
               total_ - message_.size(), " of ", total_, " were to come"));
  }
  message_.append(AsStringView(piece));
  if (message_.size() < total_) return nullptr;
  const auto frames = Parse(AsBytes(message_));
  message_ = std::string();  // Such messages are rare: their memory is given back.
  total_ = 0;
  return frames;
}

absl::StatusOr<worker::v1::Frames*> FrameAssembler::Parse(std::span<const std::byte> message) {
  parsed_.Reset();
  if (!parsed_.frames().ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return absl::InvalidArgumentError(
        "a message on the session's socket that is not tiffin.worker.v1.Frames");
  }
  return &parsed_.frames();
}

}  // namespace tiffin::session
