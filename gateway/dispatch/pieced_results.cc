#include "gateway/dispatch/pieced_results.h"

#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {

absl::Status PiecedResults::Expect(const worker::v1::Result& result) {
  std::vector<session::IncomingPieces::Place> places = session::PromisedPlaces(result.outputs());
  Whole whole{.result = result, .outputs = {}};
  for (session::IncomingPieces::Place& place : places) {
    absl::StatusOr<GatewayMemory::Room> room = memory_.MakeRoom(place.size);
    if (!room.ok()) {
      RETURN_IF_ERROR(Skip(result));
      return absl::ResourceExhaustedError(room.status().message());
    }
    place.to = room->bytes.data();
    whole.outputs.push_back(std::move(room->buffer));
  }
  RETURN_IF_ERROR(ExpectPieces(result.call(), std::move(places)));
  wanted_.emplace(result.call(), std::move(whole));
  return absl::OkStatus();
}

absl::Status PiecedResults::Skip(const worker::v1::Result& result) {
  return ExpectPieces(result.call(), session::PromisedPlaces(result.outputs()));
}

absl::Status PiecedResults::ExpectPieces(uint64_t call,
                                         std::vector<session::IncomingPieces::Place> places) {
  const absl::Status expected = pieces_.Expect(call, std::move(places));
  return expected.ok() ? expected : absl::InternalError(expected.message());
}

absl::StatusOr<std::optional<PiecedResults::Whole>> PiecedResults::Add(
    const worker::v1::Piece& piece) {
  const absl::StatusOr<bool> complete = pieces_.Add(piece);
  if (!complete.ok()) return absl::InternalError(complete.status().message());
  if (!*complete) return std::nullopt;
  auto whole = wanted_.extract(piece.call());
  if (whole.empty()) return std::nullopt;
  return std::move(whole.mapped());
}

bool PiecedResults::Discard(uint64_t call) {
  if (wanted_.erase(call) == 0) return false;
  pieces_.Discard(call);
  return true;
}

absl::Status PiecedResults::Stopped(uint64_t call) {
  if (wanted_.contains(call) || !pieces_.Forget(call)) {
    return absl::InternalError(
        StrCat("the worker stopped sending the outputs of call ", call, ", unasked"));
  }
  return absl::OkStatus();
}

void PiecedResults::Clear() {
  wanted_.clear();
  pieces_.Clear();
}

}  // namespace tiffin::gateway
