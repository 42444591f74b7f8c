#pragma once

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/async/loop.h"
#include "common/session/frame_writer.h"

namespace tiffin::gateway {

// Calls whose outputs are not needed any more, which their worker has yet to be told. They ride on
// the next frame; if none comes, or if they are of many bytes, the owner is asked for one. Owned by
// a session; on the loop's thread.
class Releases {
 public:
  // `flush`, which the owner's destruction ends, is asked to send what there is.
  Releases(Loop& loop, absl::AnyInvocable<void()> flush);

  void Add(uint64_t call, uint64_t bytes);
  // As a frame of `writer`'s, if there are any.
  void MoveTo(session::FrameWriter& writer);
  // The worker need not be told, and no more come.
  void Close();

 private:
  Loop& loop_;
  absl::AnyInvocable<void()> flush_;
  std::vector<uint64_t> calls_;
  uint64_t bytes_ = 0;
  Loop::Timer timer_;
  bool timer_runs_ = false;
};

}  // namespace tiffin::gateway
