#include "common/async/http2_guard.h"

#include <algorithm>
#include <cstring>

namespace tiffin {
namespace {

// RFC 9113, sections 4.1 and 6.
enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kSettings = 4,
  kWindowUpdate = 8,
  kContinuation = 9,
};
constexpr uint8_t kAck = 0x1;
constexpr uint8_t kEndHeaders = 0x4;

}  // namespace

bool Http2Guard::Take(std::span<const std::byte> bytes, absl::Time now) {
  const size_t preface = std::min(preface_left_, bytes.size());
  preface_left_ -= preface;
  bytes = bytes.subspan(preface);
  while (!bytes.empty()) {
    if (payload_left_ > 0) {
      const auto skipped = static_cast<size_t>(std::min<uint64_t>(payload_left_, bytes.size()));
      payload_left_ -= skipped;
      bytes = bytes.subspan(skipped);
      continue;
    }
    const size_t size = std::min(frame_.size() - frame_size_, bytes.size());
    std::memcpy(frame_.data() + frame_size_, bytes.data(), size);
    frame_size_ += size;
    bytes = bytes.subspan(size);
    if (frame_size_ < frame_.size()) return true;
    frame_size_ = 0;
    if (!OnFrame(now)) return false;
  }
  return true;
}

bool Http2Guard::OnFrame(absl::Time now) {
  const uint32_t size = uint32_t{frame_[0]} << 16 | uint32_t{frame_[1]} << 8 | frame_[2];
  const uint8_t type = frame_[3];
  const uint8_t flags = frame_[4];
  const uint32_t stream = (uint32_t{frame_[5]} << 24 | uint32_t{frame_[6]} << 16 |
                           uint32_t{frame_[7]} << 8 | frame_[8]) &
                          0x7fffffff;
  payload_left_ = size;
  const bool last = (flags & kEndHeaders) != 0;
  switch (type) {
    case kData:
    case kWindowUpdate:
      return true;
    case kHeaders:
      if (stream > last_stream_) {
        last_stream_ = stream;
        if (!acknowledged_ && ++streams_ > limits_.streams) return false;
      }
      header_bytes_ = 0;
      header_frames_ = 0;
      return OnHeaderPiece(size, last);
    case kContinuation:
      return OnHeaderPiece(size, last);
    case kSettings:
      if ((flags & kAck) != 0) acknowledged_ = true;
      return OnCheapFrame(now);
    default:
      return OnCheapFrame(now);
  }
}

bool Http2Guard::OnHeaderPiece(uint32_t size, bool last) {
  header_bytes_ += size;  // A frame's is below 2^24, and the limit far below 2^31.
  ++header_frames_;
  if (header_bytes_ > limits_.header_bytes || header_frames_ > limits_.header_frames) return false;
  if (last) {
    header_bytes_ = 0;
    header_frames_ = 0;
  }
  return true;
}

bool Http2Guard::OnCheapFrame(absl::Time now) {
  const double passed = std::max(0.0, absl::ToDoubleSeconds(now - counted_));
  counted_ = now;
  cheap_left_ =
      std::min(limits_.cheap_frames, cheap_left_ + passed * limits_.cheap_frames_per_second);
  if (cheap_left_ < 1) return false;
  cheap_left_ -= 1;
  return true;
}

}  // namespace tiffin
