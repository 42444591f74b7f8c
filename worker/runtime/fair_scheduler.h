#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"

namespace tiffin::worker {

// Whose call is next, where calls of several gateways wait: each that has some gets as many rows
// executed as any other, however many it has waiting. One that had none begins level with whose
// turn it was: it saved nothing up by being idle. Start-time fair queueing with rows for lengths
// (Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996), with two differences. A call's
// time is told when it is its gateway's first, so that calls which end without being executed cost
// nothing. And batches execute calls whose turn it isn't, because there is room: what that costs
// their gateway is limited to what one batch can have, or it would wait later for all that another
// gateway couldn't have had anyway. Not thread-safe.
class FairScheduler {
 public:
  // `most_rows`: of a batch.
  explicit FairScheduler(int64_t most_rows) : most_rows_(most_rows) {}

  // One more call of the gateway waits.
  void Join(uint64_t gateway);
  // One less, which is not executed.
  void Leave(uint64_t gateway);
  // One less: it is executed, with that many rows. `leads`: its turn had come, which it has if the
  // gateway's is the lowest; else it joins such a call's batch.
  enum class Place { kLeads, kJoins };
  void Serve(uint64_t gateway, int64_t rows, Place place);
  // In rows. The lowest is next. Of a gateway that has calls waiting.
  uint64_t start_tag(uint64_t gateway) const { return shares_.at(gateway).start_tag; }

 private:
  struct Share {
    uint64_t start_tag = 0;
    size_t waiting = 0;
  };
  void ForgetIdle();

  const int64_t most_rows_;
  absl::flat_hash_map<uint64_t, Share> shares_;
  size_t waiting_ = 0;         // Of all.
  uint64_t virtual_time_ = 0;  // The start tag that was served last: none that waits is lower.
  uint64_t latest_ = 0;        // The highest of all.
};

}  // namespace tiffin::worker
