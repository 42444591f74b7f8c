#include "common/session/frame_writer.h"

namespace tiffin::session {

void FrameWriter::Add(absl::FunctionRef<void(worker::v1::Frame&)> fill) {
  absl::MutexLock lock(&mutex_);
  if (!closed_) fill(*outbox_.frames().add_frames());
}

void FrameWriter::Flush() {
  absl::MutexLock lock(&mutex_);
  FlushLocked();
}

void FrameWriter::FlushLocked() {
  if (in_flight_ || closed_ || outbox_.frames().frames().empty()) return;
  in_flight_ = start_(outbox_.frames()) == Progress::kStarted;
  outbox_.Reset();
}

void FrameWriter::OnWritten(bool ok) {
  absl::MutexLock lock(&mutex_);
  in_flight_ = false;
  if (ok) {
    FlushLocked();
  } else {
    closed_ = true;
  }
}

void FrameWriter::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

}  // namespace tiffin::session
