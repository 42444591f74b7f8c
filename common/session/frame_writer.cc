#include "common/session/frame_writer.h"

#include <utility>

namespace tiffin::session {

void FrameWriter::Add(absl::FunctionRef<void(worker::v1::Frame&)> fill) {
  absl::MutexLock lock(&mutex_);
  if (!closed_) fill(*outbox_.frames().add_frames());
}

void FrameWriter::Add(absl::FunctionRef<void(worker::v1::Frame&)> fill,
                      std::vector<OutgoingTensor> tensors) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;  // The tensors are the caller's to destroy: they are, after the lock.
  fill(*outbox_.frames().add_frames());
  for (OutgoingTensor& tensor : tensors) pieces_.Add(std::move(tensor));
}

bool FrameWriter::DropPieces(uint64_t call) {
  OutgoingPieces::Done dropped;
  absl::MutexLock lock(&mutex_);
  dropped = pieces_.Drop(call);
  return !dropped.empty();
}

void FrameWriter::Flush() {
  OutgoingPieces::Done done;
  absl::MutexLock lock(&mutex_);
  done = FlushLocked();
}

OutgoingPieces::Done FrameWriter::FlushLocked() {
  OutgoingPieces::Done done;
  while (!in_flight_ && !closed_) {
    for (auto& sent : pieces_.MoveTo(outbox_.frames())) done.push_back(std::move(sent));
    if (outbox_.frames().frames().empty()) break;
    in_flight_ = start_(outbox_.frames()) == Progress::kStarted;
    outbox_.Reset();
  }
  return done;
}

void FrameWriter::OnWritten(bool ok) {
  OutgoingPieces::Done done;
  absl::MutexLock lock(&mutex_);
  in_flight_ = false;
  if (ok) {
    done = FlushLocked();
  } else {
    closed_ = true;
    done = pieces_.DropAll();
  }
}

void FrameWriter::Close() {
  OutgoingPieces::Done dropped;
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  dropped = pieces_.DropAll();
}

}  // namespace tiffin::session
