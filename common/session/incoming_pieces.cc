#include "common/session/incoming_pieces.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/session/frames.h"
#include "common/strings.h"

namespace tiffin::session {

absl::Status IncomingPieces::Expect(uint64_t call, std::vector<Place> places) {
  if (calls_.size() >= kMaxCalls) {
    return absl::InvalidArgumentError(
        StrCat("more than ", kMaxCalls, " calls whose tensors are promised and don't come"));
  }
  for (const Place& place : places) {
    if (place.size == 0) return absl::InvalidArgumentError("an empty tensor in pieces");
  }
  if (!calls_.emplace(call, std::move(places)).second) {
    return absl::InvalidArgumentError(StrCat("the tensors of call ", call, " come already"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> IncomingPieces::Add(const worker::v1::Piece& piece) {
  const auto call = calls_.find(piece.call());
  if (call == calls_.end()) {
    return absl::InvalidArgumentError(
        StrCat("a piece of call ", piece.call(), ", of which none is expected"));
  }
  std::vector<Place>& places = call->second;
  const auto place = std::find_if(places.begin(), places.end(), [&](const Place& other) {
    return other.tensor == piece.tensor();
  });
  const size_t size = piece.data().size();
  if (place == places.end() || size == 0 || size > kMaxPiece || size > place->size) {
    return absl::InvalidArgumentError(
        StrCat("a piece of ", size, " bytes of tensor ", piece.tensor(), " of call ", piece.call(),
               ", of which ", place == places.end() ? 0 : place->size, " are to come"));
  }
  if (place->to != nullptr) {
    std::memcpy(place->to, piece.data().data(), size);
    place->to += size;
  }
  place->size -= size;
  if (place->size > 0) return false;
  places.erase(place);
  if (!places.empty()) return false;
  calls_.erase(call);
  return true;
}

bool IncomingPieces::Discard(uint64_t call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return false;
  for (Place& place : found->second) place.to = nullptr;
  return true;
}

}  // namespace tiffin::session
