#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/session/frames_arena.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::session {

// A message of frames on a session's socket may come in pieces; this puts them together. One thread
// at a time.
class FrameAssembler {
 public:
  // As on a stream. Memory is taken as pieces come, not as a length promises.
  static constexpr uint64_t kMaxMessageBytes = uint64_t{256} << 20;

  // The next piece of a message that has `total` bytes. The frames, valid until the next Add, or
  // null if more is to come. INVALID_ARGUMENT: what came can't be a message; nothing is to be added
  // after that.
  absl::StatusOr<worker::v1::Frames*> Add(uint64_t total, std::span<const std::byte> piece);

 private:
  absl::StatusOr<worker::v1::Frames*> Parse(std::span<const std::byte> message);

  std::string message_;  // So far.
  uint64_t total_ = 0;   // Of the message that is being put together; 0 between two.
  FramesArena parsed_;
};

}  // namespace tiffin::session
