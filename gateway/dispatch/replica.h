#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/async/loop.h"
#include "common/signature.h"
#include "gateway/dispatch/worker_session.h"

namespace tiffin::gateway {

// One replica of a runner through all its lives: the session with the process of the day, lost
// sessions whose process is not proven dead, and those that are to end with their last call. Its
// processes are the supervisor's, who tells of them; or somebody else starts them at an address,
// which this connects to again and again. Owned by a RunnerPool; on the loop's thread.
class Replica {
 public:
  struct Events {
    // A session is ready. An error refuses it: what the worker says does not fit.
    absl::AnyInvocable<absl::Status(const WorkerDescription&)> ready;
    // ready() may have changed.
    absl::AnyInvocable<void()> changed;
    // The worker lives but says nothing, or nonsense: its process should be replaced. Not at an
    // address.
    absl::AnyInvocable<void(const absl::Status&)> hung;
    // As WorkerSession::Events::suspect.
    absl::AnyInvocable<void(const CallContent&, const WorkerDeath&)> suspect;
    // At an address: no session could be had, or it was lost. `had_served`: it took calls before.
    absl::AnyInvocable<void(const absl::Status&, bool had_served)> unreachable;
  };

  // `metrics` outlives it and all results.
  Replica(DispatchParts& parts, metrics::ReplicaMetrics& metrics, Events events);

  // The supervisor's news. A new life listens at `path`.
  void OnListening(const std::string& path);
  // The process was reaped. `comes_back`: it had served, and is being started again.
  void OnExited(bool comes_back);

  // Somebody else's workers are at `address`: one process after the other, or none.
  void OnAddress(WorkerAddress address);
  // The address is nobody's any more: calls under way go on, no more are sent.
  void OnWithdrawn();
  // Ends the session, if there is one: what the worker said it is does not fit after all.
  void Refuse(const absl::Status& status);

  // Where the process listens that it is connected to, or connects to; empty: none does.
  const std::string& path() const { return path_; }
  const WorkerAddress& address() const { return address_; }
  // Null unless calls can be sent.
  WorkerSession* session() { return ready() ? session_.get() : nullptr; }
  bool ready() const { return usable_ && session_ != nullptr && session_->ready(); }
  // Not ready, but about to be: its process is being connected to, or died after it had served and
  // is being started again, which of an address is hoped for some seconds only.
  bool coming_back() const;
  // Calls of lost sessions that the process has not ended, as far as is known.
  int64_t lost_calls() const;
  void ForgetSegment(uint64_t id);

 private:
  bool listens() const { return !address_.target.empty(); }
  void Connect();
  void OnReady(const WorkerDescription& description);
  void OnLost(uint64_t life, const absl::Status& status);
  void OnAddressLost(const absl::Status& status);
  // Calls wait for it for a while.
  void Hope();
  void Reconnect(absl::Duration delay);
  absl::Duration AddressDelay(const absl::Status& status);
  // The session is to be destroyed, but may be the one that tells.
  void Bury(std::unique_ptr<WorkerSession> session);
  // ready() may have changed.
  void Changed();

  DispatchParts& parts_;
  metrics::ReplicaMetrics& metrics_;
  Events events_;
  std::string path_;       // The supervisor's; empty: no process of its listens.
  WorkerAddress address_;  // Without a target: there is nothing to connect to.
  bool is_own_ = true;     // The process is the supervisor's.
  std::unique_ptr<WorkerSession> session_;
  uint64_t life_ = 0;  // Of session_: its number.
  struct Draining {
    uint64_t life;
    std::unique_ptr<WorkerSession> session;
  };
  std::vector<Draining> draining_;
  std::vector<std::unique_ptr<WorkerSession>> lost_;
  bool usable_ = false;
  bool refused_ = false;        // What this life says does not fit.
  int failed_connections_ = 0;  // In a row.
  bool coming_back_ = false;
  uint64_t last_incarnation_ = 0;
  absl::Time hoped_until_ = absl::InfinitePast();
  std::minstd_rand jitter_;
  Loop::Timer reconnect_;
  Loop::Timer hope_ends_;
  metrics::Held counted_ready_;  // While ready().
};

}  // namespace tiffin::gateway
