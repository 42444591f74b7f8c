#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/session/frame_writer.h"
#include "gateway/dispatch/worker_address.h"
#include "gateway/dispatch/worker_credentials.h"
#include "tiffin/worker/v1/worker.pb.h"

namespace tiffin::gateway {

// The gRPC stream of a session, on a channel of its own. Callbacks come on the loop's thread, never
// after destruction; what gRPC still has in flight then cleans up behind itself.
class AttachStream {
 public:
  using OnFrames = absl::AnyInvocable<void(worker::v1::Frames)>;
  // Once: the stream is over, with the status that the worker or gRPC gave.
  using OnEnded = absl::AnyInvocable<void(absl::Status)>;

  // `credentials` are for addresses on TCP; may be null.
  AttachStream(const WorkerAddress& address, const WorkerCredentials* credentials, Loop& loop,
               OnFrames on_frames, OnEnded on_ended);
  ~AttachStream();

  // Ends the stream; the worker sees it cancelled. on_ended may still come.
  void Cancel();

  // Frames are added here and sent by its Flush.
  session::FrameWriter& writer();

 private:
  class Call;
  Call* call_;  // Deletes itself when gRPC has handed everything back.
};

}  // namespace tiffin::gateway
