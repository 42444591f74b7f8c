#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "common/session/frames_arena.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::session {

// The sending half of a carrier, a session's stream or its socket: keeps the order of frames, has
// one write in flight, and gathers what is added meanwhile into the next. Thread-safe.
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
  // Sends what was added, unless a write is in flight: then its end does.
  void Flush();
  void OnWritten(bool ok);
  // No write is started any more.
  void Close();

 private:
  void FlushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  StartWrite start_ ABSL_GUARDED_BY(mutex_);
  FramesArena outbox_ ABSL_GUARDED_BY(mutex_);
  bool in_flight_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tiffin::session
