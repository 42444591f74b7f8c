#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::session {

// A tensor of a call that travels in pieces.
struct OutgoingTensor {
  uint64_t call = 0;
  uint32_t tensor = 0;  // Its number among the call's.
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> keeper;  // Of the bytes; shared with who else reads them.
};

// What is still to be sent of tensors in pieces: a piece of each in turn, so that a small one never
// waits for a large one. Its owner locks.
class OutgoingPieces {
 public:
  // What kept the bytes of tensors that are done with.
  using Done = std::vector<std::shared_ptr<const void>>;

  void Add(OutgoingTensor tensor) { tensors_.push_back(std::move(tensor)); }
  // Adds the next pieces to a message, kMaxPiece bytes together.
  [[nodiscard]] Done MoveTo(worker::v1::Frames& message);
  [[nodiscard]] Done Drop(uint64_t call);
  [[nodiscard]] Done DropAll();

 private:
  std::deque<OutgoingTensor> tensors_;  // `bytes`: what is left. The first one's turn is next.
};

}  // namespace tiffin::session
