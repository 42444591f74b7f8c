#include "gateway/api/statistics.h"

#include <algorithm>
#include <utility>

#include "common/strings.h"
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
  absl::Duration encode;
  std::span<const Executions> executions;
};

void Sum(TargetStatistics& sum, absl::Time end, const Part& part) {
  sum.last = std::max(sum.last.value_or(end), end);  // Loops may come out of order.
  if (part.ok) {
    sum.success.Add(part.total);
    sum.rows += static_cast<uint64_t>(part.rows);
    sum.queue.Add(part.queue);
    sum.compute_input.Add(part.decode);
    sum.compute_infer.Add(part.compute);
    sum.compute_output.Add(part.encode);
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
                       std::span<const RunnerEntry> runners, const Statistics* before)
    : totals_(before == nullptr ? std::make_shared<Totals>() : before->totals_) {
  for (const RunnerEntry& entry : runners) {
    Counter& counter = Add(&entry, StrCat(entry.service, ".", entry.runner, ".", entry.method));
    counter.steps_ = {counter.own_};  // Called by itself, it is a graph of one step.
  }
  for (const PlannedService& service : services) {
    for (const PlannedApi& api : service.apis) {
      Counter& counter = Add(&api, StrCat(service.name, ".", api.name));
      for (const PlannedStep& step : api.steps) {
        const auto entry = std::find_if(runners.begin(), runners.end(), [&](const auto& one) {
          return step.call() != nullptr && one.service == api.service &&
                 one.runner == step.call()->runner && one.method == step.call()->method;
        });
        counter.steps_.push_back(entry == runners.end() ? std::nullopt
                                                        : std::optional(at(&*entry).own_));
      }
    }
  }
}

Statistics::Counter& Statistics::Add(const void* target, std::string name) {
  const absl::MutexLock lock(&totals_->mutex);
  Counter& counter = counters_[target];
  const auto [known, is_new] = totals_->by_name.emplace(std::move(name), totals_->all.size());
  if (is_new) totals_->all.emplace_back();
  counter.own_ = known->second;
  return counter;
}

const Statistics::Counter& Statistics::at(InferTarget target) const {
  return counters_.at(KeyOf(target));
}

TargetStatistics Statistics::of(InferTarget target) const {
  const Counter& counter = counters_.at(KeyOf(target));
  const absl::MutexLock lock(&totals_->mutex);
  return totals_->all[counter.own_];
}

void Statistics::Count(const Counter& counter, const EndedRequest& request) {
  const absl::MutexLock lock(&totals_->mutex);
  Part whole{.ok = request.ok,
             .rows = request.rows,
             .total = request.total,
             .queue = {},
             .decode = request.decode,
             .compute = {},
             .encode = request.encode,
             .executions = {}};
  const bool by_itself = counter.steps_.size() == 1 && counter.steps_.front() == counter.own_;
  for (const StepTiming& step : request.steps) {
    whole.queue += step.spent.queue + step.spent.batch;
    const absl::Duration compute = step.spent.compute + step.spent.overlapped;
    whole.compute += compute;
    if (by_itself) {
      whole.executions = step.executions;
    } else if (const auto runner = counter.steps_[step.step]; runner.has_value()) {
      Sum(totals_->all[*runner], request.end,
          {.ok = step.done,
           .rows = request.rows,
           .total = step.end - step.start,
           .queue = step.spent.queue + step.spent.batch,
           .decode = {},
           .compute = compute,
           .encode = {},
           .executions = step.executions});
    }
  }
  const Executions once{.rows = request.rows, .count = 1, .compute = whole.compute};
  if (!by_itself && request.ok) whole.executions = {&once, 1};
  Sum(totals_->all[counter.own_], request.end, whole);
}

}  // namespace tiffin::gateway
