#include "gateway/api/statistics.h"

#include <algorithm>

#include "gateway/api/serving.h"

namespace tiffin::gateway {
namespace {

const void* KeyOf(InferTarget target) {
  return std::visit([](const auto* address) -> const void* { return address; }, target);
}

// What one request, or one call of it, adds to its target.
struct Part {
  bool ok = false;
  int64_t rows = 1;
  absl::Duration total;
  absl::Duration queue;
  absl::Duration decode;
  absl::Duration compute;
  std::span<const Executions> executions;
};

void Add(TargetStatistics& sum, absl::Time end, const Part& part) {
  sum.last = std::max(sum.last.value_or(end), end);  // Loops may come out of order.
  if (part.ok) {
    sum.success.Add(part.total);
    sum.rows += static_cast<uint64_t>(part.rows);
    sum.queue.Add(part.queue);
    sum.compute_input.Add(part.decode);
    sum.compute_infer.Add(part.compute);
    sum.compute_output.Add(absl::ZeroDuration());
  } else {
    sum.fail.Add(part.total);
  }
  for (const Executions& executions : part.executions) {
    sum.executions += executions.count;
    auto batch = sum.batches.find(executions.rows);
    if (batch == sum.batches.end()) {
      if (sum.batches.size() == kMaxBatchSizes) continue;
      batch = sum.batches.emplace(executions.rows, CountAndTime{}).first;
    }
    batch->second.count += executions.count;
    batch->second.time += executions.compute;
  }
}

}  // namespace

Statistics::Statistics(std::span<const PlannedService> services,
                       std::span<const RunnerEntry> runners) {
  for (const RunnerEntry& entry : runners) {
    Counter& counter = counters_[&entry];
    counter.steps_ = {&counter.own_};  // Called by itself, it is a graph of one step.
  }
  for (const PlannedService& service : services) {
    for (const PlannedApi& api : service.apis) {
      Counter& counter = counters_[&api];
      for (const PlannedStep& step : api.steps) {
        const auto entry = std::find_if(runners.begin(), runners.end(), [&](const auto& one) {
          return step.call() != nullptr && one.service == api.service &&
                 one.runner == step.call()->runner && one.method == step.call()->method;
        });
        counter.steps_.push_back(entry == runners.end() ? nullptr : &at(&*entry).own_);
      }
    }
  }
}

Statistics::Counter& Statistics::at(InferTarget target) { return counters_.at(KeyOf(target)); }

TargetStatistics Statistics::of(InferTarget target) const {
  const Counter& counter = counters_.at(KeyOf(target));
  const absl::MutexLock lock(&mutex_);
  return counter.own_;
}

void Statistics::Count(Counter& counter, const EndedRequest& request) {
  const absl::MutexLock lock(&mutex_);
  Part whole{.ok = request.ok,
             .rows = request.rows,
             .total = request.total,
             .queue = {},
             .decode = request.decode,
             .compute = {},
             .executions = {}};
  const bool by_itself = counter.steps_.size() == 1 && counter.steps_.front() == &counter.own_;
  for (const StepTiming& step : request.steps) {
    whole.queue += step.queue + step.batch;
    const absl::Duration compute = step.compute + step.overlapped;
    whole.compute += compute;
    if (by_itself) {
      whole.executions = step.executions;
    } else if (TargetStatistics* const runner = counter.steps_[step.step]; runner != nullptr) {
      Add(*runner, request.end,
          {.ok = step.done,
           .rows = request.rows,
           .total = step.end - step.start,
           .queue = step.queue + step.batch,
           .decode = {},
           .compute = compute,
           .executions = step.executions});
    }
  }
  const Executions once{.rows = request.rows, .count = 1, .compute = whole.compute};
  if (!by_itself && request.ok) whole.executions = {&once, 1};
  Add(counter.own_, request.end, whole);
}

void Statistics::CountReply(Counter& counter, absl::Duration encode) {
  const absl::MutexLock lock(&mutex_);
  counter.own_.success.time += encode;
  counter.own_.compute_output.time += encode;
}

}  // namespace tiffin::gateway
