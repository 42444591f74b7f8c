#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "gateway/metrics/instruments.h"

// What operators are told of a gateway and of its workers. ARCHITECTURE.md (Metrics) says how;
// deploy/observability/README.md lists every metric.
namespace tiffin::gateway::metrics {

// From 100 us, a hop to a worker and back, to 60 s, the longest that anybody waits; the steps, by
// 2 to 3, keep a quantile read from them within that factor.
inline constexpr std::array<int64_t, 18> kDurationBounds = {
    100'000,       250'000,       500'000,       1'000'000,      2'500'000,      5'000'000,
    10'000'000,    25'000'000,    50'000'000,    100'000'000,    250'000'000,    500'000'000,
    1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000, 30'000'000'000, 60'000'000'000};
// The sizes that models are built for.
inline constexpr std::array<int64_t, 11> kRowsBounds = {1,  2,   4,   8,   16,  32,
                                                        64, 128, 256, 512, 1024};

// Counts by status code.
class CodeCounters {
 public:
  static constexpr size_t kCodes = 17;
  void Count(absl::StatusCode code) {
    const auto index = static_cast<size_t>(code);
    counters_[index < kCodes ? index : static_cast<size_t>(absl::StatusCode::kUnknown)].Add();
  }
  uint64_t value(absl::StatusCode code) const {
    return counters_[static_cast<size_t>(code)].value();
  }

 private:
  std::array<Counter, kCodes> counters_;
};

// One replica of a runner. All loops that have sessions with it share it.
struct ReplicaMetrics {
  Gauge ready_sessions;
  Gauge calls_in_flight;  // Given to the worker and not ended.
  Gauge queued;           // Of them, those that its last State said were waiting.
  Gauge segment_bytes;
  Gauge leases;  // Results whose outputs are still needed.
  Gauge leased_bytes;
  Counter starts;
  std::atomic<pid_t> pid{0};  // Of the last process; 0: there was none.
  // Somebody else starts its process, of which only sessions are known; and no address is its, so
  // that there is nothing to be told of.
  std::atomic<bool> elsewhere{false};
  std::atomic<bool> vacant{false};
};

struct RunnerMetrics {
  RunnerMetrics(int replica_count, int64_t limit);

  CodeCounters calls;
  Counter retries;
  Gauge waiting;  // For a replica to come back, or for a suspect's end.
  const int64_t calls_limit;
  Histogram duration{kDurationBounds};
  Histogram queue{kDurationBounds};
  Histogram batch_wait{kDurationBounds};
  Histogram compute{kDurationBounds};
  Histogram transport{kDurationBounds};
  Histogram batch_rows{kRowsBounds};
  std::vector<std::unique_ptr<ReplicaMetrics>> replicas;  // Fixed; addresses stay.
};

struct StepMetrics {
  std::string name;
  RunnerMetrics* runner = nullptr;  // Null for a function.
  Histogram duration{kDurationBounds};
};

// An API, or a runner's method that clients call by itself.
struct TargetMetrics {
  CodeCounters requests;
  Gauge in_flight;
  Histogram duration{kDurationBounds};
  // In the order of the plan. Of a method called by itself, one without a name.
  std::vector<std::unique_ptr<StepMetrics>> steps;
};

struct GatewayMetrics {
  CodeCounters unmatched;  // Requests that name nothing that is served.
  Gauge segment_bytes;
  Gauge tensor_bytes;
  Gauge serving_loops;  // That take requests.
};

// A step of a target, as it is registered.
struct StepName {
  std::string name;
  std::string runner;  // Empty for a function.
};

// Owns all counts of a server; handles are asked for once, at its start, and stay valid as long as
// it lives, which is longer than every loop. Labels are names of service files, indices and codes:
// nothing that a client sends. Thread-safe.
class Metrics {
 public:
  // By service and runner, or API.
  using Name = std::pair<std::string, std::string>;

  // The one there is, or a new one.
  RunnerMetrics& Runner(const Name& name, int replicas, int64_t calls_limit);
  // Likewise. The runners of its steps, which are of the same service, are there already.
  TargetMetrics& Target(const Name& name, const std::vector<StepName>& steps);
  GatewayMetrics& gateway() { return gateway_; }

  // All of it, in Prometheus' text format. Reads /proc: not for a loop's thread.
  std::string Expose() const;

 private:
  const absl::Time start_ = absl::Now();
  GatewayMetrics gateway_;
  mutable absl::Mutex mutex_;
  std::map<Name, std::unique_ptr<RunnerMetrics>> runners_ ABSL_GUARDED_BY(mutex_);
  std::map<Name, std::unique_ptr<TargetMetrics>> targets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tiffin::gateway::metrics
