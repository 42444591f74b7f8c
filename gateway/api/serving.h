#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/security/tokens.h"
#include "common/signature.h"
#include "common/trace_context.h"
#include "gateway/api/statistics.h"
#include "gateway/graph/execution.h"
#include "gateway/graph/plan.h"
#include "gateway/graph/value.h"

// What the protocols in api/ see of everything behind them. All of it happens on the loop's thread.
namespace tiffin::gateway {

// A method of a runner, as clients may call it by itself.
struct RunnerEntry {
  std::string service;
  std::string runner;
  std::string method;
  MethodSignature signature;
  int64_t version = 1;  // Of the store's model; 1 without one.
  std::string backend;  // "xgboost"
};

// A service that can't be served yet: what its runners elsewhere do is not known.
struct AbsentService {
  std::string name;
  std::vector<std::string> targets;  // Its APIs and its runners.
};

// Whether each request has a line in the log.
enum class AccessLog { kOff, kOn };

struct InferOptions {
  // When the request came, by Clock::Monotonic(), for statistics; InfinitePast if nobody noted it.
  absl::Time received = absl::InfinitePast();
  // By Clock::Monotonic(). Never infinite; already the smallest of all that apply.
  absl::Time deadline;
  // Printable ASCII, at most 128 characters.
  std::string request_id;
  TraceContext trace = {};
  // False: InferReply::steps stays empty.
  bool want_timing = false;
};

struct InferReply {
  // In the order of the target's outputs, rows first, checked against their types.
  std::vector<Value> outputs;
  // Counted from Serving::Start; empty unless asked for.
  std::vector<StepTiming> steps;
  // As CriticalPath gives it, likewise.
  std::vector<size_t> critical_path = {};
};

using InferDone = absl::AnyInvocable<void(absl::StatusOr<InferReply>)>;

// A request under way. Destroying it cancels: `done` will not be called any more.
class PendingInfer {
 public:
  virtual ~PendingInfer() = default;
  // The reply that `done` brought is a message now, or could not be made one: what the client is
  // told, and counted by. To be called once after a good reply, before the message is sent.
  virtual void OnEncoded(const absl::Status& status) = 0;
};

// Outlives the protocols that use it.
class Serving {
 public:
  virtual ~Serving() = default;

  // Fixed for the life of this object, addresses too.
  virtual std::span<const PlannedService> services() const = 0;
  virtual std::span<const RunnerEntry> runners() const = 0;

  // Those that are not among them; and, from any thread, why. UNAVAILABLE or FAILED_PRECONDITION.
  virtual std::span<const AbsentService> absent() const { return {}; }
  virtual absl::Status WhyAbsent(std::string_view /*service*/) const { return absl::OkStatus(); }

  // Each required runner of the service has a live, ready replica. False while the server drains.
  virtual bool ServiceReady(std::string_view service) const = 0;
  virtual bool RunnerReady(std::string_view service, std::string_view runner) const = 0;
  // `changed` is called, from the loop, after any answer of the two functions above has changed. It
  // is kept as long as this object, and must stay callable as long as the loop runs.
  virtual void OnReadinessChange(absl::AnyInvocable<void()> changed) = 0;

  // What became of its requests so far.
  virtual TargetStatistics statistics(InferTarget target) const = 0;

  // Of a request that ended before Start; of none if it named nothing that is served.
  virtual void CountRefused(std::optional<InferTarget> target, absl::StatusCode code) = 0;
  // What operators are told, in Prometheus' text format. From any thread but the loop's.
  virtual std::string MetricsText() const = 0;

  virtual ValueAllocator& allocator() = 0;
  virtual AccessLog access_log() const { return AccessLog::kOff; }
  // One of which clients must send with what they ask. Null: anybody may ask anything.
  virtual const security::Tokens* tokens() const { return nullptr; }

  // Runs an API or a single method. `inputs` are in the order of the target's inputs, rows first,
  // all with `rows` rows, and checked against their types. `done` is called at most once, never
  // before Start returns, with DEADLINE_EXCEEDED when the deadline passes; it may destroy the
  // PendingInfer.
  [[nodiscard]] virtual std::unique_ptr<PendingInfer> Start(InferTarget target,
                                                            std::vector<Value> inputs, int64_t rows,
                                                            InferOptions options,
                                                            InferDone done) = 0;
};

}  // namespace tiffin::gateway
