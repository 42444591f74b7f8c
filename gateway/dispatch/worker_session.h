#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/async/watcher.h"
#include "common/session/descriptor_channel.h"
#include "common/session/frames_arena.h"
#include "common/signature.h"
#include "gateway/dispatch/attach_stream.h"
#include "gateway/dispatch/call_inputs.h"
#include "gateway/dispatch/dispatch_parts.h"
#include "gateway/dispatch/interruption.h"
#include "gateway/dispatch/last_moments.h"
#include "gateway/dispatch/quarantine.h"
#include "gateway/dispatch/releases.h"
#include "gateway/dispatch/runner_load.h"
#include "gateway/dispatch/segments.h"
#include "gateway/dispatch/session_calls.h"
#include "gateway/dispatch/worker_address.h"
#include "gateway/graph/runner.h"
#include "gateway/metrics/metrics.h"

namespace tiffin::gateway {

// One session with one worker: sends calls, hands it descriptors, takes its results and gives back
// its tensors.
//
//   connecting -> ready         Hello came; the owner is told
//   ready -> ending             the worker is dead, and gRPC, which carries the calls, has yet to
//                               hand over what it sent before; nothing is sent any more
//   connecting, ready, ending -> lost
//                               the stream ended, or two seconds of silence: every call fails with
//                               UNAVAILABLE, and the owner is told
//
// A lost one keeps what a worker that still lives may be reading, until nothing of it is read any
// more. Owned by a Replica; on the loop's thread. A destroyed session fails nothing: the owner has
// taken care of its calls.
class WorkerSession {
 public:
  struct Events {
    absl::AnyInvocable<void(WorkerDescription)> ready;
    // Never called from inside a call of the owner's, who destroys the session later than that.
    absl::AnyInvocable<void(absl::Status)> lost;
    // Later than `lost`: the worker reads nothing of this session any more; holds() is false. Never
    // called from inside a call of the owner's, who may destroy the session at once.
    absl::AnyInvocable<void()> buried;
    // A call executed, with no other on trial beside it, when the worker ended by its own doing;
    // before the call fails, and also where nobody waits for it any more.
    absl::AnyInvocable<void(const CallContent&, const WorkerDeath&)> suspect;
  };
  using Company = SessionCalls::Company;

  // Begins to connect to the worker that listens at `address`; on a Unix socket, at its path with
  // ".fd" too. `metrics` outlives it and its results.
  WorkerSession(DispatchParts& parts, WorkerAddress address, metrics::ReplicaMetrics& metrics,
                Events events);
  ~WorkerSession();
  WorkerSession(const WorkerSession&) = delete;
  WorkerSession& operator=(const WorkerSession&) = delete;

  bool ready() const { return state_ == State::kReady; }
  const WorkerAddress& address() const { return address_; }
  // Random for each process. Since it was ready.
  uint64_t incarnation() const { return incarnation_; }
  metrics::ReplicaMetrics& metrics() const { return metrics_; }
  // Sends a call; ready() must hold. `done` comes later, from the loop. Returns the call's id. The
  // inputs and the place are kept until the call has ended at the worker, and the place no longer
  // than the session. RESOURCE_EXHAUSTED: nothing was sent.
  absl::StatusOr<uint64_t> Execute(const Call& call, Company company, RunnerLoad::Place place,
                                   CallDone done);
  // `done` will not be called any more; the worker is told to drop the call if it still waits.
  void Abandon(uint64_t call) { calls_.Abandon(call); }
  // From a lease: a result's outputs, of so many bytes, are not needed any more. Told to the worker
  // with the next frame, or soon.
  void ReleaseLater(uint64_t call, uint64_t bytes);
  // No segment of this id will be named any more.
  void ForgetSegment(uint64_t id);
  // The worker's process was reaped.
  void ProcessDied();
  // Ends it, as if it were lost, now, or when no call of it is under way.
  void Close(absl::Status status) { Lose(std::move(status)); }
  void Drain();
  // Something is kept that the worker may still be reading.
  bool holds() const { return !held_until_dead_.empty(); }

 private:
  enum class State { kConnecting, kReady, kEnding, kLost };

  void Flush();
  void FlushLater();
  void OnStreamFrames(worker::v1::Frames frames);
  void OnSocketFrames(const worker::v1::Frames& frames);
  void OnCallFrame(const worker::v1::Frame& frame);
  void OnStreamEnded(absl::Status status);
  // What the worker sent on the socket before it ended the stream, or died, may not have been read
  // yet: its results count, and so does its page.
  void ReceiveAll();
  void OpenSocket(const std::string& path);
  // What Attach offers.
  bool offers_express() const {
    return address_.shares_memory() && parts_.transport == WorkerTransport::kExpress;
  }
  // Null where nothing is shared.
  absl::AnyInvocable<void(const SegmentName&)> Announcer();
  // For frames that name calls or segments.
  session::FrameWriter& call_frames() {
    return express_ ? descriptors_->frames() : stream_.writer();
  }
  void OnHello(const worker::v1::Hello& hello);
  SessionCalls::Events CallEvents();
  void SendCancel(uint64_t call);
  void CheckDrained();
  void OnSegment(shm::DescriptorSocket::Received received);
  void CheckSilence(absl::Time scheduled);
  // The worker is dead, or reads nothing of this session any more.
  void End(absl::Status status);
  void Lose(absl::Status status);
  // Nothing of this session is read any more: what its calls were given is let go.
  void Bury();
  void FailCalls(const absl::Status& status);
  // By call: how far it had come.
  absl::flat_hash_map<uint64_t, Interruption> Interruptions(bool own_doing) const;

  DispatchParts& parts_;
  metrics::ReplicaMetrics& metrics_;
  const WorkerAddress address_;
  uint64_t incarnation_ = 0;
  Events events_;
  State state_ = State::kConnecting;
  const uint64_t id_;
  bool express_ = false;  // By Hello.
  std::unique_ptr<session::DescriptorChannel> descriptors_;
  uint64_t next_call_ = 1;
  session::FramesArena scratch_;  // For one call at a time.
  // What calls of a lost session were given.
  std::vector<std::shared_ptr<const Buffer>> held_until_dead_;
  bool buried_ = false;  // No call of a lost session will begin to execute any more.
  LastMoments last_moments_;

  bool draining_ = false;
  CallInputs inputs_;
  Releases releases_;
  bool flush_scheduled_ = false;
  absl::Time last_sign_of_life_;
  Loop::Timer silence_timer_;
  Loop::Timer ending_timer_;
  // What leases and deferred tasks find of this: null after destruction. Shared with them.
  std::shared_ptr<WorkerSession*> self_;
  SessionCalls calls_;
  AttachStream stream_;
};

}  // namespace tiffin::gateway
