#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/trace_context.h"
#include "gateway/graph/bound_api.h"
#include "gateway/graph/plan.h"
#include "gateway/graph/runner.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// When a step ran; times count from the start of the request. The names are the plan's.
struct StepTiming {
  std::string_view name;
  std::string_view runner;  // Empty for a function.
  absl::Duration start;
  absl::Duration end;
  CallTimings spent = {};  // A function only computes.
  size_t step = 0;         // Index into the plan's steps.
  bool done = false;       // It ended well.
  ExecutionList executions = {};

  // What no other part claims: of a call, the way to the worker and back.
  absl::Duration transport() const {
    return std::max(absl::ZeroDuration(), end - start - spent.total());
  }
};

struct ExecutionOptions {
  // The client's, by `clock`. The API's own timeout, from the start on, is applied as well.
  absl::Time deadline = absl::InfiniteFuture();
  std::string request_id;
  TraceContext trace = {};
  // Keep, until the end, what the API's monitor has written down. It must have one.
  bool monitored = false;
  const Clock* clock = &Clock::Monotonic();
  // Runs a task on the loop's thread after what it does now: Loop::Defer. Needed for a request that
  // ends before Start has returned, and called from inside Start only.
  std::function<void(absl::AnyInvocable<void()>)> post;
};

// One run of an API: of its graph, or of its program.
//
// Owned by the request; lives on the loop's thread. Destruction cancels all pending calls, and
// `done` is not called any more.
class Execution {
 public:
  // Called once, never from inside Start, with the values of the API's outputs, in order. May
  // destroy the Execution. The message of an error names the step and the runner, and ends at 1
  // KiB.
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::vector<Value>> outputs)>;

  // `inputs`: in the order of the plan, of its types, with the same number of rows (just one unless
  // the API has rows). `api`, its plan and its runners outlive the Execution.
  [[nodiscard]] static std::unique_ptr<Execution> Start(const BoundApi& api,
                                                        std::vector<Value> inputs,
                                                        ExecutionOptions options, Done done);
  virtual ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // The steps that have started, in the order in which they did; one that was cut short ends with
  // the request.
  const std::vector<StepTiming>& timeline() const { return timeline_; }
  // What is to be written down of a request that ended well and is monitored: the values in the
  // order of the plan, and what functions had to say, as JSON objects.
  struct Monitored {
    std::vector<Value> values;
    std::vector<std::string> records;
  };
  Monitored TakeMonitored() { return std::move(monitored_); }
  const ExecutionOptions& options() const { return options_; }
  const PlannedApi& plan() const { return api_.plan(); }
  // From Start until now, or until the end.
  absl::Duration elapsed() const;

 protected:
  Execution(const BoundApi& api, ExecutionOptions options, Done done);

  const BoundApi& api() const { return api_; }
  int64_t rows() const { return rows_; }
  absl::Time deadline() const { return deadline_; }
  std::vector<StepTiming>& mutable_timeline() { return timeline_; }
  Monitored& monitored() { return monitored_; }

  // Begins the timing of a step: an index into the timeline.
  size_t BeginStep(size_t step);
  // DEADLINE_EXCEEDED if the request's time was up then.
  absl::Status CheckTime(size_t timing) const;
  // What a step of a runner that has begun is called with, but for its inputs.
  Call CallOf(size_t timing) const;
  // Starts a call, as several if it has too many rows.
  absl::StatusOr<std::unique_ptr<PendingCall>> StartRunner(size_t step, Call call, CallDone done);
  // The same error, with the step that it comes from.
  static absl::Status InStep(const PlannedStep& step, const absl::Status& status);
  // Of an input: sizes that the plan left open (-1) are known now.
  static absl::Status CheckType(const Value& value, const TensorSpec& spec);

  // The last thing to do: `done` may destroy this.
  void Finish(absl::StatusOr<std::vector<Value>> result);

 private:
  // Starts to run, once. It may Finish.
  virtual void Begin(std::vector<Value> inputs) = 0;
  // Destroys every pending call, and ends its timing.
  virtual void CancelAll() = 0;
  absl::Status CheckInputs(const std::vector<Value>& inputs);
  void Deliver();

  const BoundApi& api_;
  const ExecutionOptions options_;
  Done done_;
  const absl::Time start_;
  const absl::Time deadline_;
  int64_t rows_ = 1;
  Monitored monitored_;
  std::vector<StepTiming> timeline_;
  std::optional<absl::Time> end_;
  bool starting_ = true;
  absl::StatusOr<std::vector<Value>> result_;
  // What a posted Deliver finds of this, null after destruction. Shared with the posted task, which
  // may come after it. Made only for a request that ends inside Start.
  std::shared_ptr<Execution*> posted_;
};

}  // namespace tiffin::gateway
