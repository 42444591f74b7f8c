#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/loop.h"
#include "common/signature.h"
#include "gateway/dispatch/call_inputs.h"
#include "gateway/dispatch/interruption.h"
#include "gateway/dispatch/pieced_results.h"
#include "gateway/dispatch/runner_load.h"
#include "gateway/dispatch/segments.h"
#include "gateway/dispatch/worker_result.h"
#include "gateway/graph/runner.h"
#include "gateway/metrics/metrics.h"

namespace tiffin::gateway {

// The calls that a session's worker was given and that have not ended: what they hold, who waits
// for them, and how what the worker sends becomes their results. Results are told from the loop's
// ready list, in the order in which they were complete. Owned by the session; on the loop's thread.
// An error is the worker's breach of the protocol, for which the session is to be lost.
class SessionCalls {
 public:
  // kTrial: the worker executes the call with no other.
  enum class Company { kShared, kTrial };

  struct Record {
    const std::string* method = nullptr;
    const MethodSignature* signature = nullptr;
    int64_t rows = 1;
    Company company = Company::kShared;
    CallInputs::Held inputs;
    RunnerLoad::Place place;
    CallDone done;  // Null once abandoned.
    metrics::Held counted = {};
    bool parked = false;    // Its result is among parked_.
    bool answered = false;  // Its result came, and is to be delivered, or is among pieced_.
  };
  using Records = absl::flat_hash_map<uint64_t, Record>;

  struct Options {
    // The worker's segments are known here; else what is large comes in pieces.
    bool shares_memory = true;
    // What leases of results are given back to. Shared with them.
    std::shared_ptr<WorkerSession*> session;
  };
  struct Events {
    // The worker need not go on with a call: sends it no more of its inputs. True if there was
    // more.
    absl::AnyInvocable<bool(uint64_t call)> keep_inputs_back;
    // Tells the worker to drop a call, or what it has yet to send of its outputs.
    absl::AnyInvocable<void(uint64_t call)> cancel;
    // Some have ended.
    absl::AnyInvocable<void()> ended;
  };

  // `loop` and `memory` outlive it.
  SessionCalls(Loop& loop, GatewayMemory& memory, Options options, Events events);
  ~SessionCalls() { *self_ = nullptr; }
  SessionCalls(const SessionCalls&) = delete;
  SessionCalls& operator=(const SessionCalls&) = delete;

  bool empty() const { return records_.empty(); }
  const Records& records() const { return records_; }
  void Add(uint64_t call, Record record) { records_.emplace(call, std::move(record)); }
  // Nobody is told of its end any more.
  void Abandon(uint64_t call);

  absl::Status OnResult(const worker::v1::Result& result);
  absl::Status OnPiece(const worker::v1::Piece& piece);
  absl::Status OnPiecesStopped(uint64_t call) { return pieced_.Stopped(call); }
  // One more of the worker's, by its index; results may have waited for it.
  absl::Status OnSegment(uint64_t index, std::shared_ptr<WorkerSegment> segment);
  void OnSegmentGone(uint64_t index) { segments_.erase(index); }

  // The session is lost: nothing more comes of the worker. What is complete is delivered still.
  void Close();
  // None of them is outstanding at the worker any more.
  void LeaveWorker();
  // All of them end, interrupted as said of each, which may destroy this.
  void Fail(const absl::flat_hash_map<uint64_t, Interruption>& how, const std::string& message);

 private:
  // Of a result whose outputs come in pieces.
  absl::Status AwaitPieces(const worker::v1::Result& result, Record& record);
  void Deliver(uint64_t call, absl::StatusOr<CallResult> result);
  // From the ready list: tells the callers.
  void DeliverResults();

  Loop& loop_;
  const Options options_;
  Events events_;
  Records records_;
  WorkerSegments segments_;  // By the worker's index.
  // Results that name a segment whose descriptor is still on its way.
  std::vector<worker::v1::Result> parked_;
  PiecedResults pieced_;
  struct Delivery {
    uint64_t call;
    absl::StatusOr<CallResult> result;
  };
  std::vector<Delivery> deliveries_;
  // What deferred deliveries find of this: null after destruction. Shared with them.
  const std::shared_ptr<SessionCalls*> self_ = std::make_shared<SessionCalls*>(this);
};

}  // namespace tiffin::gateway
