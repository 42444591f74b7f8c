// A message of frames that comes in pieces on a session's socket: however it is cut, what is put
// together is what it is whole, or refused where that is no message; pieces that don't fit are
// refused. The first bytes say how it is cut.
#include <algorithm>
#include <string>

#include "common/session/frame_assembler.h"
#include "common/tensor.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"

namespace tiffin::fuzz {
namespace {

using session::FrameAssembler;

void Check(Input input) {
  const uint8_t pieces = input.Byte() % 4;
  uint64_t sizes[4] = {};
  for (uint8_t i = 0; i < pieces; ++i) sizes[i] = input.Number(2);
  const std::string_view message = input.Rest();
  worker::v1::Frames whole;
  const bool is_frames = whole.ParseFromArray(message.data(), static_cast<int>(message.size()));

  // Adds all but the last piece, and returns that.
  const auto begin = [&](FrameAssembler& assembler) {
    std::string_view rest = message;
    for (uint8_t i = 0; i < pieces && rest.size() > 1; ++i) {
      // None is empty, and something is left for the last.
      const size_t size = 1 + sizes[i] % (rest.size() - 1);
      const auto frames = assembler.Add(message.size(), AsBytes(rest.substr(0, size)));
      Require(frames.ok() && *frames == nullptr, "more is to come");
      rest.remove_prefix(size);
    }
    return rest;
  };
  const auto refuses = [&](uint64_t total, std::string_view piece) {
    FrameAssembler assembler;
    begin(assembler);
    return !assembler.Add(total, AsBytes(piece)).ok();
  };
  FrameAssembler assembler;
  const std::string_view rest = begin(assembler);
  if (rest.size() < message.size() && sizes[0] % 8 == 0) {
    Require(refuses(message.size() + 1, rest), "a piece of another message is refused");
    Require(refuses(message.size(), StrCat(rest, "x")), "a piece that is too large is refused");
  }
  const auto frames = assembler.Add(message.size(), AsBytes(rest));
  Require(frames.ok() == is_frames, "frames are frames, however they are cut");
  if (!is_frames) return;
  Require(*frames != nullptr && (*frames)->SerializeAsString() == whole.SerializeAsString(),
          "what was put together is the whole");
}

}  // namespace
}  // namespace tiffin::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::fuzz::Check(tiffin::fuzz::Input(data, size));
  return 0;
}
