#include "worker/runtime/batcher.h"

#include <algorithm>
#include <utility>

namespace tiffin::worker {
namespace {

// Buckets beyond these are forgotten when nothing waits in them: clients choose the shapes.
constexpr size_t kKeptBuckets = 64;
// A batch with a deadline starts that much before it would have to: timers are late, and
// predictions are off.
constexpr absl::Duration kMargin = absl::Milliseconds(1);

bool Waits(const QueuedCall& call) { return call.state == QueuedCall::State::kWaiting; }

}  // namespace

Batcher::Bucket* Batcher::Find(const QueuedCall& call) {
  const MethodSignature* signature = Batches(call) ? call.signature : nullptr;
  const auto same_row = [](const TensorView& input, const Shape& row) {
    return std::equal(input.shape.begin() + 1, input.shape.end(), row.begin(), row.end());
  };
  for (auto bucket = buckets_.begin(); bucket != buckets_.end(); ++bucket) {
    if (bucket->signature != signature) continue;
    if (signature != nullptr &&
        !std::equal(call.inputs.begin(), call.inputs.end(), bucket->row_shapes.begin(),
                    bucket->row_shapes.end(), same_row)) {
      continue;
    }
    buckets_.splice(buckets_.begin(), buckets_, bucket);
    return &*bucket;
  }
  return nullptr;
}

Batcher::Bucket& Batcher::FindOrMake(const QueuedCall& call) {
  if (Bucket* bucket = Find(call); bucket != nullptr) return *bucket;
  if (buckets_.size() >= kKeptBuckets) {
    const auto unused = std::find_if(buckets_.rbegin(), buckets_.rend(),
                                     [](const Bucket& bucket) { return bucket.size == 0; });
    if (unused != buckets_.rend()) buckets_.erase(std::next(unused).base());
  }
  Bucket& made = buckets_.emplace_front();
  if (Batches(call)) {
    made.signature = call.signature;
    for (const TensorView& input : call.inputs) {
      made.row_shapes.emplace_back(input.shape.begin() + 1, input.shape.end());
    }
  }
  return made;
}

Batcher::Flow& Batcher::FlowOf(Bucket& bucket, uint64_t gateway) {
  Flow* empty = nullptr;
  for (Flow& flow : bucket.flows) {
    if (flow.gateway == gateway) return flow;
    if (flow.waiting.empty()) empty = &flow;
  }
  if (empty == nullptr) return bucket.flows.emplace_back(Flow{.gateway = gateway, .waiting = {}});
  empty->gateway = gateway;  // Gateways go.
  return *empty;
}

void Batcher::Add(std::shared_ptr<QueuedCall> call, absl::Time now) {
  Bucket& bucket = FindOrMake(*call);
  if (bucket.signature != nullptr) bucket.arrivals.Add(now, call->rows);
  const uint64_t gateway = call->gateway;
  FlowOf(bucket, gateway).waiting.push_back({next_number_++, std::move(call)});
  scheduler_.Join(gateway);
  ++bucket.size;
  ++size_;
}

void Batcher::PopFront(Bucket& bucket, Flow& flow) {
  flow.waiting.pop_front();
  --bucket.size;
  --size_;
}

void Batcher::Drop(Bucket& bucket, Flow& flow) {
  PopFront(bucket, flow);
  scheduler_.Leave(flow.gateway);
}

bool Batcher::Precedes(const Flow& flow, const Flow* other) const {
  if (other == nullptr) return true;
  const auto place = [this](const Flow& of) {
    return std::pair(scheduler_.start_tag(of.gateway), of.waiting.front().number);
  };
  return place(flow) < place(*other);
}

Batcher::Flow* Batcher::NextIn(Bucket& bucket) {
  Flow* next = nullptr;
  for (Flow& flow : bucket.flows) {
    while (!flow.waiting.empty() && !Waits(*flow.waiting.front().call)) Drop(bucket, flow);
    if (!flow.waiting.empty() && Precedes(flow, next)) next = &flow;
  }
  return next;
}

Batcher::Bucket* Batcher::Next() {
  Bucket* next = nullptr;
  const Flow* first = nullptr;
  for (Bucket& bucket : buckets_) {
    const Flow* flow = NextIn(bucket);
    if (flow == nullptr || !Precedes(*flow, first)) continue;
    next = &bucket;
    first = flow;
  }
  return next;
}

absl::Time Batcher::StartAt(absl::Time now, int idle_threads) {
  const Bucket* bucket = Next();
  if (bucket == nullptr) return absl::InfiniteFuture();
  // Calls of another kind would wait for nothing.
  if (bucket->signature == nullptr || bucket->size < size_) return now;
  int64_t rows = 0;
  int64_t calls = 0;
  absl::Time first_deadline = absl::InfiniteFuture();
  absl::Time first_received = absl::InfiniteFuture();
  for (const Flow& flow : bucket->flows) {
    for (const Entry& entry : flow.waiting) {
      if (!Waits(*entry.call)) continue;
      ++calls;
      rows += entry.call->rows;
      if (rows >= config_.max_batch_size) return now;
      first_deadline = std::min(first_deadline, entry.call->deadline);
      first_received = std::min(first_received, entry.call->received);
    }
  }
  if (calls == 0) return now;  // Dropped since Next: what waits is to be looked at again.
  absl::Time start = first_received + config_.max_delay;
  if (config_.policy == config::BatchingPolicy::kAdaptive) {
    // Another thread takes what comes meanwhile.
    if (idle_threads > 1) return now;
    start = std::min(start, now + bucket->arrivals.BestWait(bucket->cost, calls, now));
  }
  return std::min(start, first_deadline - bucket->cost.Predict(rows) - kMargin);
}

Batch Batcher::Take(absl::Time now) {
  Batch batch;
  int64_t rows = 0;
  // After an expired or dropped one, the next may be in another bucket; then the batch is of one.
  Bucket* bucket = Next();
  while (Flow* flow = bucket == nullptr ? nullptr : NextIn(*bucket)) {
    std::shared_ptr<QueuedCall> call = flow->waiting.front().call;
    if (now >= call->deadline) {
      Drop(*bucket, *flow);
      if (call->Take(QueuedCall::State::kDropped)) batch.expired.push_back(std::move(call));
    } else if (rows > 0 && rows + call->rows > config_.max_batch_size) {
      break;
    } else if (call->Take(QueuedCall::State::kExecuting)) {
      scheduler_.Serve(flow->gateway, call->rows,
                       rows == 0 ? FairScheduler::Place::kLeads : FairScheduler::Place::kJoins);
      PopFront(*bucket, *flow);
      rows += call->rows;
      batch.calls.push_back(std::move(call));
    } else {
      Drop(*bucket, *flow);
    }
    if (batch.calls.empty()) {
      bucket = Next();
    } else if (bucket->signature == nullptr) {
      break;
    }
  }
  return batch;
}

void Batcher::Learn(const QueuedCall& call, int64_t rows, absl::Duration took) {
  if (Bucket* bucket = Find(call); bucket != nullptr) bucket->cost.Add(rows, took);
}

}  // namespace tiffin::worker
