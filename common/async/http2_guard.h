#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/time/time.h"

namespace tiffin {

// Looks at what one HTTP/2 client sends for what gRPC 1.51 takes without bound: a header that never
// ends (it is kept, and read again from its start with each frame), streams before the client has
// acknowledged how many it may have, streams that are reset as soon as they are opened, and frames
// that only ask for an answer. It reads the headers of frames, nine bytes each, and skips what is
// in them; what else may be wrong is left to gRPC. One thread at a time.
class Http2Guard {
 public:
  struct Limits {
    // As it is sent: coded, and in pieces.
    uint32_t header_bytes = 0;
    uint32_t header_frames = 64;
    // Opened before the settings are acknowledged.
    int streams = 0;
    // Of RST_STREAM, PING, SETTINGS and all that isn't for servers: at once, and from then on.
    double cheap_frames = 0;
    double cheap_frames_per_second = 1000;
  };

  Http2Guard(const Limits& limits, absl::Time now)
      : limits_(limits), cheap_left_(limits.cheap_frames), counted_(now) {}

  // The next bytes. False: they go beyond a limit, and the connection is to be closed.
  [[nodiscard]] bool Take(std::span<const std::byte> bytes, absl::Time now);

 private:
  bool OnFrame(absl::Time now);
  bool OnHeaderPiece(uint32_t size, bool last);
  bool OnCheapFrame(absl::Time now);

  const Limits limits_;
  size_t preface_left_ = 24;
  std::array<uint8_t, 9> frame_ = {};
  size_t frame_size_ = 0;      // Of frame_, so far.
  uint64_t payload_left_ = 0;  // Of the last frame.
  uint32_t header_bytes_ = 0;  // Of the header that is coming.
  uint32_t header_frames_ = 0;
  bool acknowledged_ = false;
  int streams_ = 0;  // Until then.
  uint32_t last_stream_ = 0;
  double cheap_left_;
  absl::Time counted_;
};

}  // namespace tiffin
