#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::session {

// Puts tensors together that come in pieces, in memory of its owner's. What a peer sends is taken
// for a lie until it fits what was promised. One thread at a time.
class IncomingPieces {
 public:
  // Beyond it a peer promises what it doesn't send.
  static constexpr size_t kMaxCalls = 16'384;

  // Of one tensor.
  struct Place {
    uint32_t tensor = 0;
    std::byte* to = nullptr;  // Null: what comes is not wanted.
    uint64_t size = 0;        // Above 0.
  };

  // The pieces of a call, for these places, are to come: of one tensor at least. INVALID_ARGUMENT:
  // they are expected already, or those of too many calls are.
  absl::Status Expect(uint64_t call, std::vector<Place> places);
  // True: that was the last piece of its call, which is forgotten now. INVALID_ARGUMENT: that can't
  // be a piece of anything.
  absl::StatusOr<bool> Add(const worker::v1::Piece& piece);
  // What is still to come of the call is not wanted any more, and its places are not written again.
  // False: nothing is.
  bool Discard(uint64_t call);
  // Nothing of the call will come any more. False: nothing was to.
  bool Forget(uint64_t call) { return calls_.erase(call) > 0; }
  void Clear() { calls_.clear(); }

 private:
  absl::flat_hash_map<uint64_t, std::vector<Place>> calls_;  // What is left of each.
};

// The places of a message's tensors that come in pieces, without their memory.
template <typename Tensors>
std::vector<IncomingPieces::Place> PromisedPlaces(const Tensors& tensors) {
  std::vector<IncomingPieces::Place> places;
  for (int i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].in_pieces()) continue;
    places.push_back(
        {.tensor = static_cast<uint32_t>(i), .to = nullptr, .size = tensors[i].size()});
  }
  return places;
}

}  // namespace tiffin::session
