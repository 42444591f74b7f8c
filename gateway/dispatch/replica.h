#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/signature.h"
#include "gateway/dispatch/worker_session.h"

namespace tiffin::gateway {

// One replica of a runner through all its lives: the session with the process of the day, and lost
// sessions whose process is not proven dead. Owned by a RunnerPool; on the loop's thread.
class Replica {
 public:
  struct Events {
    // A session is ready. False refuses it: what the worker says does not fit.
    absl::AnyInvocable<bool(const WorkerDescription&)> ready;
    // ready() may have changed.
    absl::AnyInvocable<void()> changed;
    // The worker lives but says nothing, or nonsense: its process should be replaced.
    absl::AnyInvocable<void(const absl::Status&)> hung;
    // As WorkerSession::Events::suspect.
    absl::AnyInvocable<void(const CallContent&, const WorkerDeath&)> suspect;
  };

  // `metrics` outlives it and all results.
  Replica(DispatchParts& parts, metrics::ReplicaMetrics& metrics, Events events);

  // The supervisor's news. A new life listens at `path`.
  void OnListening(std::string path);
  // The process was reaped. `comes_back`: it had served, and is being started again.
  void OnExited(bool comes_back);

  // Where the process listens that it is connected to, or connects to; empty: none does.
  const std::string& path() const { return path_; }
  // Null unless calls can be sent.
  WorkerSession* session() { return ready() ? session_.get() : nullptr; }
  bool ready() const { return usable_ && session_ != nullptr && session_->ready(); }
  // Not ready, but about to be: its process is being connected to, or died after it had served and
  // is being started again.
  bool coming_back() const { return coming_back_ || (!path_.empty() && !refused_ && !ready()); }
  // Calls of lost sessions that the process has not ended, as far as is known.
  int64_t lost_calls() const;
  void ForgetSegment(uint64_t id);

 private:
  void Connect();
  void OnReady(const WorkerDescription& description);
  void OnLost(const absl::Status& status);
  void Reconnect();
  // ready() may have changed.
  void Changed();

  DispatchParts& parts_;
  metrics::ReplicaMetrics& metrics_;
  Events events_;
  std::string path_;  // Empty: no process listens.
  std::unique_ptr<WorkerSession> session_;
  std::vector<std::unique_ptr<WorkerSession>> lost_;
  bool usable_ = false;
  bool refused_ = false;        // What this life says does not fit.
  int failed_connections_ = 0;  // In a row.
  bool coming_back_ = false;
  Loop::Timer reconnect_;
  metrics::Held counted_ready_;  // While ready().
};

}  // namespace tiffin::gateway
