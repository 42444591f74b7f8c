#pragma once

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "common/session/frames_arena.h"
#include "common/session/outgoing_pieces.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::session {

// The sending half of a carrier, a session's stream or its socket: keeps the order of frames, has
// one write in flight, and gathers what is added meanwhile into the next. Tensors in pieces go
// behind the other frames of a message, a few in each, so that no frame waits for a tensor.
// Thread-safe.
class FrameWriter {
 public:
  // kWritten: done. kStarted: its end is told by OnWritten.
  enum class Progress { kWritten, kStarted };
  // Writes one message. Called with the lock held.
  using StartWrite = absl::AnyInvocable<Progress(const worker::v1::Frames&)>;

  // kStarting: nothing can be written yet; the first OnWritten tells that it can.
  enum class Initially { kWritable, kStarting };
  FrameWriter(Initially initially, StartWrite start)
      : start_(std::move(start)), in_flight_(initially == Initially::kStarting) {}

  // Adds a frame, to be sent by the next Flush. Dropped after Close.
  void Add(absl::FunctionRef<void(worker::v1::Frame&)> fill);
  // The same, and after it, whenever there is room, the tensors that it promises. What keeps their
  // bytes is let go of when they were sent or dropped, without any lock.
  void Add(absl::FunctionRef<void(worker::v1::Frame&)> fill, std::vector<OutgoingTensor> tensors);
  // What was not sent yet of a call's tensors isn't any more. False: there was nothing.
  bool DropPieces(uint64_t call);
  // Sends what was added, unless a write is in flight: then its end does.
  void Flush();
  void OnWritten(bool ok);
  // No write is started any more.
  void Close();

 private:
  // Returns what was sent whole, to be destroyed without the lock.
  [[nodiscard]] OutgoingPieces::Done FlushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  StartWrite start_ ABSL_GUARDED_BY(mutex_);
  FramesArena outbox_ ABSL_GUARDED_BY(mutex_);
  OutgoingPieces pieces_ ABSL_GUARDED_BY(mutex_);
  bool in_flight_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tiffin::session
