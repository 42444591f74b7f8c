#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::session {

inline worker::v1::Piece MakePiece(uint64_t call, uint32_t tensor, std::string data) {
  worker::v1::Piece piece;
  piece.set_call(call);
  piece.set_tensor(tensor);
  piece.set_data(std::move(data));
  return piece;
}

}  // namespace tiffin::session
