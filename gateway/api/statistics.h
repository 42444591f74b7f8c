#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gateway/graph/execution.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

struct RunnerEntry;
// What a request is for. Not null; owned by Serving.
using InferTarget = std::variant<const PlannedApi*, const RunnerEntry*>;

struct CountAndTime {
  uint64_t count = 0;
  absl::Duration time;

  void Add(absl::Duration more) {
    ++count;
    time += more;
  }
};

// What became of the requests for an API, or of the calls of a runner's method: those that clients
// made themselves, and those of APIs' steps.
struct TargetStatistics {
  std::optional<absl::Time> last;  // When the last one ended, by the server's clock.
  CountAndTime success;            // From the request's arrival on, or from the step's start.
  CountAndTime fail;               // Errors, deadlines that passed, and cancelled ones.

  // Of those that succeeded.
  uint64_t rows = 0;
  CountAndTime queue;
  CountAndTime compute_input;   // Decoding the request. A step has none.
  CountAndTime compute_infer;   // An API's: the sum of its steps', also of those side by side.
  CountAndTime compute_output;  // Making the reply. A step has none.

  // An API is executed once for each request. Of a runner's executions each may serve several
  // calls.
  uint64_t executions = 0;
  // By rows: the first kMaxBatchSizes numbers of rows that were seen.
  std::map<int64_t, CountAndTime> batches;
};

inline constexpr size_t kMaxBatchSizes = 256;

// A request that has ended.
struct EndedRequest {
  int64_t rows = 1;
  bool ok = false;
  absl::Time end;
  absl::Duration total;   // From its arrival until its reply is made.
  absl::Duration decode;  // From its arrival to its start.
  absl::Duration encode;  // Making the reply.
  std::span<const StepTiming> steps;
};

// The statistics of every target of a server, whichever loop a request was on. Thread-safe: one
// lock is held for a few hundred nanoseconds, once for each request.
class Statistics {
 public:
  // What a target's requests are counted by. Immutable; its address stays.
  class Counter {
   private:
    friend class Statistics;
    size_t own_ = 0;  // Index into totals_.
    // Likewise, of the runners' methods that its steps call; none for functions.
    std::vector<std::optional<size_t>> steps_;
  };

  // All of it outlives this. What `before` has counted of targets with the same names goes on, for
  // both of them; it may be null.
  Statistics(std::span<const PlannedService> services, std::span<const RunnerEntry> runners,
             const Statistics* before = nullptr);

  const Counter& at(InferTarget target) const;
  TargetStatistics of(InferTarget target) const;

  void Count(const Counter& counter, const EndedRequest& request);

 private:
  struct Totals {
    absl::Mutex mutex;
    std::vector<TargetStatistics> all ABSL_GUARDED_BY(mutex);
    std::map<std::string, size_t> by_name ABSL_GUARDED_BY(mutex);
  };

  Counter& Add(const void* target, std::string name);

  std::unordered_map<const void*, Counter> counters_;  // By the target's address; fixed.
  const std::shared_ptr<Totals> totals_;               // Shared with those before and after.
};

}  // namespace tiffin::gateway
