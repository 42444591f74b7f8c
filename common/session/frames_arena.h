#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "google/protobuf/arena.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::session {

// One message of frames after the other, in the same memory: the usual ones cost no allocation.
// What is moved out of the frames is copied.
class FramesArena {
 public:
  FramesArena() { Make(); }
  FramesArena(const FramesArena&) = delete;
  FramesArena& operator=(const FramesArena&) = delete;

  worker::v1::Frames& frames() { return *frames_; }
  // The next one, empty; the last one's frames are gone.
  void Reset() {
    arena_.Reset();
    Make();
  }

 private:
  static constexpr size_t kBlock = 8192;  // Some 30 calls.

  static google::protobuf::ArenaOptions Options(std::span<char> block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block.data();
    options.initial_block_size = block.size();
    return options;
  }
  void Make() { frames_ = google::protobuf::Arena::CreateMessage<worker::v1::Frames>(&arena_); }

  alignas(std::max_align_t) std::array<char, kBlock> block_;
  google::protobuf::Arena arena_{Options(block_)};  // After the block, which it uses.
  worker::v1::Frames* frames_ = nullptr;            // In the arena.
};

}  // namespace tiffin::session
