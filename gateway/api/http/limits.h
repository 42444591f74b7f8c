#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace tiffin::gateway::http {

// What a client may ask of a server before it has an answer.
struct Limits {
  int max_connections = 512;
  uint32_t max_header_bytes = 16 << 10;
  uint64_t max_body_bytes = 256 << 20;
  // Of a compressed body when it is decompressed, which the server's only thread does.
  uint64_t max_inflated_bytes = 64 << 20;
  // Of all bodies together, from where their size is known until their tensors lie in segments.
  uint64_t max_bodies_bytes = uint64_t{1} << 30;
  // Of all answers that clients have not taken, small ones apart.
  uint64_t max_answers_bytes = uint64_t{1} << 30;
  // Between requests; for a header once its first byte is there; for the body; for the answer.
  absl::Duration idle = absl::Seconds(75);
  absl::Duration header = absl::Seconds(10);
  absl::Duration body = absl::Seconds(60);
  absl::Duration write = absl::Seconds(60);
};

}  // namespace tiffin::gateway::http
