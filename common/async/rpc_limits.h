#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace tiffin {

inline constexpr int kDefaultMaxMessageBytes = 256 << 20;

// What clients may ask of an RpcServer, whatever they send. ARCHITECTURE.md (Limits) says what
// happens beyond each.
struct RpcLimits {
  int max_message_bytes = kDefaultMaxMessageBytes;
  // Of requests, from their first byte until nobody needs them, on all connections together.
  uint64_t max_received_bytes = uint64_t{1} << 30;
  // Of answers that their clients have not taken, likewise.
  uint64_t max_unsent_bytes = uint64_t{1} << 30;
  int max_connections = 1024;
  // Under way at the same time on one connection.
  int max_streams = 1024;
  int max_metadata_bytes = 16 << 10;
  // Until a new connection has said that it speaks HTTP/2.
  absl::Duration handshake = absl::Seconds(10);
  // A connection that brings nothing for so long is asked whether it lives, and has so long to say
  // so.
  absl::Duration keepalive = absl::Seconds(60);
  absl::Duration keepalive_answer = absl::Seconds(20);
  // How long a client may take for an answer.
  absl::Duration send = absl::Seconds(60);
};

}  // namespace tiffin
