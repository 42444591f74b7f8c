#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/signature.h"
#include "common/trace_context.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// One execution of a method of a runner.
struct Call {
  const std::string* method = nullptr;         // Outlives the call: the plan's.
  const MethodSignature* signature = nullptr;  // Likewise.
  // In the order of the signature, rows first.
  std::vector<Value> inputs;
  int64_t rows = 1;
  absl::Time deadline = absl::InfiniteFuture();  // By Clock::Monotonic().
  // Attempts after the first, taken after UNAVAILABLE or the worker's death only.
  int retries = 0;
  std::string request_id;
  TraceContext trace;
};

// Where the time of a call went. These parts came one after the other, and are all but the way
// there and back. Of what was made as several calls: of those that lie behind one another, back
// from the one that ended last.
struct CallTimings {
  absl::Duration queue = {};  // Waiting for the model, and for a replica to come back.
  absl::Duration batch = {};
  absl::Duration compute = {};
  absl::Duration retry = {};       // Attempts that failed, until the last one was sent.
  absl::Duration overlapped = {};  // Computing beyond that, of calls beside those.
  int retries = 0;
  int64_t calls = 1;  // How many it was made as.

  // Of those that came one after the other.
  absl::Duration total() const { return queue + batch + compute + retry; }
};

// Executions of a model, all with the same number of rows. Calls that ran together share one, which
// is told with one of them only.
struct Executions {
  int64_t rows = 0;
  uint64_t count = 0;
  absl::Duration compute;  // Of all of them.
};
using ExecutionList = absl::InlinedVector<Executions, 1>;

struct CallResult {
  // In the order of the signature, rows first, checked against it.
  std::vector<Value> outputs;
  CallTimings timings;
  ExecutionList executions = {};
};

using CallDone = absl::AnyInvocable<void(absl::StatusOr<CallResult>)>;

// A call under way. Destroying it cancels: `done` will not be called any more, and nothing waits
// for the worker; the call's record and leases stay with the session until its result arrives.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
};

// What the graph sees of a model's workers. Used on the loop's thread only.
class Runner {
 public:
  virtual ~Runner() = default;
  // Never calls `done` before it returns: results come from the loop's ready list. `done` is called
  // at most once; it may destroy the PendingCall.
  [[nodiscard]] virtual std::unique_ptr<PendingCall> Start(Call call, CallDone done) = 0;
  // How many calls may be under way before one more is refused.
  virtual int64_t calls_at_once() const = 0;
};

}  // namespace tiffin::gateway
