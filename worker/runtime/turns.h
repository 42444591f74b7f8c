#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"

namespace tiffin::worker {

// Whose call is next, where calls of several gateways wait: each that has some gets as many rows
// executed as any other, however many it has waiting. One that had none begins level with who was
// served last: it saved nothing up by being idle, and owes at most what its own last call took.
// Start-time fair queueing with rows for lengths (Goyal, Vin and Cheng, "Start-time Fair Queuing",
// SIGCOMM 1996), but that a call's time is told when it is its gateway's first, so that calls which
// end without being executed cost nothing. Not thread-safe.
class Turns {
 public:
  // One more call of the gateway waits.
  void Join(uint64_t gateway);
  // One less: it was taken, and `rows` are executed for it, or none.
  void Leave(uint64_t gateway, int64_t rows);
  // The lowest is next. Of a gateway that has calls waiting.
  uint64_t turn(uint64_t gateway) const { return shares_.at(gateway).turn; }

 private:
  struct Share {
    uint64_t turn = 0;
    size_t waiting = 0;
  };
  void ForgetIdle();

  absl::flat_hash_map<uint64_t, Share> shares_;
  size_t waiting_ = 0;   // Of all.
  uint64_t now_ = 0;     // The turn that was served last.
  uint64_t latest_ = 0;  // The highest of all.
};

}  // namespace tiffin::worker
